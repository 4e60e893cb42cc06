/** Tests random invalid inputs: the built program ends soon, with messages and without a stack trace. */
import * as fs from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { hostileKinds } from '../support/hostile.ts'
import { Sandbox } from '../support/program.ts'

const site = {
  deploy: { plone_instances: { scm: { repository: '/srv/site.git' }, environment: { A: 'b' } } },
  plone_instances: { instance_count: 2, zeo: { address: '10.0.0.5:8001' } },
  opsworks: { layers: { plone_instances: { instances: { web1: { private_ip: '10.0.0.5' } } } } },
}
const stack = {
  name: 'site',
  layers: { app: { roles: ['zeo-client'], attributes: site } },
  hosts: { web1: { address: '192.0.2.1', layers: ['app'], port: 22 } },
  apps: { plone_instances: { scm: { repository: '/srv/site.git' } } },
}

/** Replaces one value at any depth. */
function mutated(value: unknown, path: readonly number[], by: unknown): unknown {
  if (typeof value !== 'object' || value === null || path.length === 0) return by
  const entries = Object.entries(value)
  const [at = 0, ...rest] = path
  const index = at % entries.length
  const changed = entries.map(([key, one], own) => [key, own === index ? mutated(one, rest, by) : one])
  return Array.isArray(value) ? changed.map(([, one]) => one) : Object.fromEntries(changed)
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 1e308, 2 ** 60, [], {}, '', 'a\nb', '\0', '\ud800', '../..', '-x', '%(x)s'),
  fc.constantFrom<unknown>('x'.repeat(100_000), [[[]]], { $file: '/dev/zero' }, { $env: 'NO' }, { __proto__: 1 }),
  fc.jsonValue({ maxDepth: 2 }),
)
const document = (base: object) =>
  fc.tuple(fc.array(fc.nat(5), { maxLength: 6 }), odd).map(([path, by]) => mutated(base, path, by))
const textOf = (base: object) =>
  fc.oneof(
    { weight: 5, arbitrary: document(base).map((value) => Buffer.from(JSON.stringify(value) ?? '')) },
    { weight: 1, arbitrary: fc.nat(300).map((end) => Buffer.from(JSON.stringify(base)).subarray(0, end)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(300), fc.string({ unit: 'binary', maxLength: 9 })).map(([at, more]) => {
        const text = JSON.stringify(base)
        return Buffer.from(text.slice(0, at) + more + text.slice(at))
      }),
    },
  )
const word = fc.oneof(
  fc.constantFrom(
    '--role',
    '--json',
    '--prefix',
    '--event',
    '--explain',
    '--limit',
    '--host',
    '--to',
    '--by',
    '--batch',
  ),
  fc.constantFrom(
    'zeo-client',
    'plan',
    'stack',
    'show',
    '-',
    '--',
    '',
    '/dev/zero',
    '/dev/null',
    '..',
    'é',
    '--no-color=1',
    '9'.repeat(400),
  ),
  fc.string({ maxLength: 8 }).filter((text) => !text.includes('\0')),
)
const onHost = fc.constantFrom('plan', 'render', 'attributes', 'doctor', 'status', 'releases', 'configure --dry-run')
const onStack = fc.constantFrom('check', 'show', 'deployments', 'log last', 'userdata web1', 'show --json-output')
const name = fc.constantFrom('bad.json', 'bad.yaml')
const input = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      name,
      content: textOf(site),
      line: onHost.map((one) => `${one} --role zeo-client --prefix @/root --json`),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ name, content: textOf(stack), line: onStack.map((one) => `stack ${one} --stack`) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.nat(hostileKinds.length - 1),
      line: fc.constantFrom(
        ...[
          '--json',
          '--node-json',
          '--secrets',
          '--recipes',
          '--config',
          '--config-dir',
          '--prefix',
          '--state-dir',
        ].map((option) => `plan --role solr --prefix @/root ${option}`),
        'stack check --stack',
        'stack check --stack @/good.json --environment',
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ words: fc.array(word, { maxLength: 5 }) }) },
)

t.test('any bad input ends with a message', { timeout: 900_000 }, async (t) => {
  const runs = Number(process.env.FUZZ_RUNS ?? 60)
  const statuses: Record<string, number> = {}
  for (const [at, one] of fc.sample(input, runs).entries()) {
    const sandbox = new Sandbox(t)
    sandbox.write({ 'good.json': JSON.stringify(stack) })
    const path = sandbox.at('name' in one ? one.name : 'bad.json')
    if ('content' in one) fs.writeFileSync(path, one.content)
    if ('kind' in one) hostileKinds[one.kind]?.put(path, sandbox.at('good.json'))
    const words = 'words' in one ? one.words : [...one.line.replaceAll('@', sandbox.directory).split(' '), path]
    const began = performance.now()
    const isBare = words[0] === 'stack' || 'words' in one
    const { status, stdout, stderr, signal } = await sandbox.converge(words, {
      bare: isBare,
      through: ['timeout', '-s', 'KILL', '10'],
    })
    const took = performance.now() - began
    const what = JSON.stringify({
      at,
      ...one,
      content: 'content' in one ? one.content.toString('latin1').slice(0, 300) : '',
    })
    statuses[String(status)] = (statuses[String(status)] ?? 0) + 1
    const isWrong = signal !== null || ![0, 1, 2].includes(status ?? -1) || took > 10_000
    if (isWrong) t.fail(`${what}: status ${status} after ${Math.round(took)} ms`, { stderr: stderr.slice(-500) })
    if (/INTERNAL|report this fault|\n\s+at \S+ \(|node:internal|dist\/converge\.cjs/.test(stdout + stderr))
      t.fail(`${what}: a trace of the program`, { stderr: stderr.slice(-800) })
    if (status === 2 && !/^error: /m.test(stderr) && stdout === '') t.fail(`${what}: no message`, { stderr })
  }
  t.comment(JSON.stringify(statuses))
  t.pass(`${runs} inputs`)
})

/** Tests how the console starts processes, reads their events, and decides how a rollout ended. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { interruptProcess, processState, startProcess } from '../../../core/console/deployments/command_process.ts'
import { planWords, rolloutWords } from '../../../core/console/deployments/command_words.ts'
import { readEvents, readLines } from '../../../core/console/deployments/event_file.ts'
import { maskedJson } from '../../../core/console/deployments/masked_json.ts'
import { summarizePlan } from '../../../core/console/deployments/plan_summary.ts'
import { ResultReader } from '../../../core/console/deployments/result.ts'
import { type ConsoleDeployment, requestSchema } from '../../../core/console/deployments/states.ts'
import type { FleetEvent } from '../../../core/fleet/types.ts'
import { mask } from '../../../core/model/secrets.ts'
import { waitUntil } from '../../support/wait_until.ts'

function scratch(t: { teardown(end: () => void): void }): string {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

t.test('a process of a deployment', async (t) => {
  const directory = `${scratch(t)}/one`
  const options = { directory, cwd: '/' }
  const ended = () => waitUntil(() => processState(directory).kind === 'ended', 'it has ended')

  await t.test('is not started, runs, and ends with its status', async (t) => {
    t.strictSame(processState(directory), { kind: 'not started' })
    await startProcess(['sh', '-c', 'echo "{\\"event\\":\\"note\\"}"; exit 3'], options)
    await ended()
    t.strictSame(processState(directory), { kind: 'ended', status: 3 })
    t.strictSame(await all(readEvents(`${directory}/events.jsonl`)), [{ event: 'note' }])
  })

  await t.test('starts once, however often it is requested', async (t) => {
    const many = { directory: `${scratch(t)}/many`, cwd: '/' }
    const count = `${many.directory}/count`
    await Promise.all(Array.from({ length: 8 }, () => startProcess(['sh', '-c', `echo x >> ${count}`], many)))
    await waitUntil(() => processState(many.directory).kind === 'ended', 'it has ended')
    t.strictSame([...readLines(count, 0)].length, 1)
  })

  await t.test('is interrupted as by Ctrl-C, and its status is recorded', async (t) => {
    const long = { directory: `${scratch(t)}/long`, cwd: '/' }
    await startProcess(['sh', '-c', 'trap "exit 7" INT; echo ready; while :; do sleep 0.05; done'], long)
    await waitUntil(() => readLines(`${long.directory}/events.jsonl`, 0).length > 0, 'it works')
    t.match(processState(long.directory), { kind: 'running' })
    interruptProcess(long.directory)
    await waitUntil(() => processState(long.directory).kind === 'ended', 'it has ended')
    t.strictSame(processState(long.directory), { kind: 'ended', status: 7 })
  })

  await t.test('that was killed is lost, and a process that has its number now is not mistaken for it', async (t) => {
    const killed = { directory: `${scratch(t)}/killed`, cwd: '/' }
    await startProcess(['sleep', '600'], killed)
    await waitUntil(() => processState(killed.directory).kind === 'running', 'it runs')
    const state = processState(killed.directory)
    if (state.kind !== 'running') return t.fail('it runs')
    process.kill(-state.group, 'SIGKILL')
    await waitUntil(() => processState(killed.directory).kind === 'lost', 'it is lost')
    const own = scratch(t)
    writeFileSync(`${own}/process`, `boot\n${process.pid} (node) S ${'0 '.repeat(30)}\n`)
    t.strictSame(processState(own), { kind: 'lost' })
  })
})

t.test('reads whole lines of the events by their byte offsets', async (t) => {
  const file = `${scratch(t)}/events`
  t.strictSame(readLines(file, 0), [], 'no file yet')
  writeFileSync(file, 'ä\nb\nhal')
  t.strictSame(readLines(file, 0), [
    { text: 'ä', end: 3 },
    { text: 'b', end: 5 },
  ])
  t.strictSame(readLines(file, 5), [])
  appendFileSync(file, 'f\n')
  t.strictSame(readLines(file, 5), [{ text: 'half', end: 10 }])
  const long = 'x'.repeat(1000)
  writeFileSync(file, `${long}\nend\n`)
  t.equal(readLines(file, 0, 10)[0]?.text, long, 'a line longer than the chunk')
})

const request = (more: object = {}) => requestSchema.parse(more)
const deployment = (more: object): ConsoleDeployment =>
  ({ id: 7, by: 'ann', request: request(more) }) as unknown as ConsoleDeployment

t.test('turns a request into words of the command line', async (t) => {
  t.strictSame(planWords(['--stack', 's.yaml'], request({ apps: ['shop'], revision: 'v2' })), [
    ...['stack', 'plan', '--stack', 's.yaml', '--event', 'deploy,configure', '--app', 'shop', '--revision', 'v2'],
    '--json-output',
  ])
  t.strictSame(
    rolloutWords([], deployment({ strategy: 'canary', batch: '2', rollbackOnFailure: true, comment: 'new' })),
    [
      ...['stack', 'deploy', '--json-output', '--wait=1h', '--strategy', 'canary', '--batch', '2'],
      ...['--rollback-on-failure', '--comment', 'new (ann, console 7)'],
    ],
  )
  const json = ['--json', '/state/7/custom.json'] as const
  t.match(planWords([], request(), json[1]).join(' '), `--event deploy,configure ${json.join(' ')} --json-output`)
  t.match(rolloutWords([], deployment({}), json[1]).join(' '), `--strategy rolling ${json.join(' ')} --comment`)
  const deep = (levels: number): object => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`)
  t.ok(requestSchema.safeParse({ customJson: deep(100) }).success)
  for (const wrong of [
    { customJson: [] },
    { customJson: 'text' },
    { customJson: deep(101) },
    { customJson: deep(100_000) },
    { customJson: { long: 'x'.repeat(80_001) } },
    { apps: ['--recipes=/tmp/evil'] },
    { revision: '-x' },
    { hosts: ['a\nb'] },
    { batch: '0' },
    { comment: 'two\nlines' },
    { action: 'rollback', revision: 'main' },
    { action: 'deploy', to: 'abc' },
    { action: 'configure', rollbackOnFailure: true },
    { unknown: true },
  ])
    t.notOk(requestSchema.safeParse(wrong).success, Object.keys(wrong).join())
})

const counts = { changed: 0, planned: 1, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }
const planned = (host: string, value: string, durationMs: number): FleetEvent =>
  ({
    event: 'done',
    host,
    phase: 'plan',
    outcome: 'planned',
    durationMs,
    report: {
      id: `${durationMs}`,
      mode: 'plan',
      roles: [],
      events: [],
      started: `${durationMs}`,
      durationMs,
      outcome: 'planned',
      counts,
      warnings: [],
      resources: [
        {
          name: 'file /a',
          type: 'file',
          key: '/a',
          role: 'r',
          event: 'setup',
          outcome: 'planned',
          durationMs,
          patch: [{ op: 'replace', path: '/content', value, before: 'old' }],
        },
      ],
    },
  }) as unknown as FleetEvent

t.test('plans with the same changes have the same digest', async (t) => {
  const digest = async (...events: FleetEvent[]) => (await summarizePlan(events)).digest
  const one = await digest(planned('a', 'new', 1), planned('b', 'new', 2))
  t.equal(
    await digest(planned('b', 'new', 30), planned('a', 'new', 4)),
    one,
    'neither times nor the order of hosts matter',
  )
  t.not(await digest(planned('a', 'other', 1), planned('b', 'new', 2)), one)
  t.not(await digest(planned('a', 'new', 1)), one, 'a host less')
  t.not(await digest(planned('a', 'new', 1), planned('c', 'new', 2)), one, 'another host')
  const commit: FleetEvent = { event: 'commit', app: 'shop', revision: 'main', commit: 'abc' }
  t.not(await digest(planned('a', 'new', 1), planned('b', 'new', 2), commit), one, 'another commit')
  const withJson = async (json: string) => (await summarizePlan([planned('a', 'new', 1)], json)).digest
  t.not(await withJson('{"a":1}'), await withJson('{"a":2}'), 'another custom JSON')
  const { groups } = await summarizePlan([planned('a', 'new', 1), planned('b', 'new', 2)])
  t.match(groups, [{ hosts: ['a', 'b'], changes: [{ resource: 'file /a', summary: /old.*new/s }] }])
})

t.test('secrets of a custom JSON are masked by name and by attribute', async (t) => {
  const none = { secretAttributes: [], secretNames: [] }
  const given = { db: { password: 'one', port: 5432, secret: ['two', { deep: 3 }] }, open: true, none: null }
  t.strictSame(maskedJson(given, none), {
    db: { password: mask, port: 5432, secret: [mask, { deep: mask }] },
    open: true,
    none: null,
  })
  const url = (password: string) => ({ url: `postgres://shop:${password}@db/shop` })
  t.strictSame(maskedJson(url('hunter22'), none), url(mask))
  const marks = {
    secretAttributes: [
      ['newrelic', 'license'],
      ['files', '*', 'content'],
    ],
    secretNames: ['PIN'],
  }
  const attributes = (license: unknown, ...content: unknown[]) => ({
    newrelic: { license, name: 'shop' },
    files: content.map((one) => ({ path: '/a', content: one })),
  })
  t.strictSame(
    maskedJson(attributes({ deep: 'one' }, 'two', ['three']), marks),
    attributes({ deep: mask }, mask, [mask]),
  )
  t.strictSame(maskedJson({ pin: 1, text: 'pin = 1234', code: '9' }, marks), {
    pin: mask,
    text: `pin = ${mask}`,
    code: '9',
  })
  const own = { converge: { secret_names: ['code'] } }
  t.strictSame(maskedJson({ ...own, code: '9' }, none), { ...own, code: mask }, 'names of the custom JSON itself')
  t.strictSame(maskedJson({ a: 'one', b: [2, true] }, null), { a: mask, b: [mask, true] }, 'all, if nothing is known')
})

t.test('decides how a rollout ended', async (t) => {
  const read = (events: readonly object[], status: number | null) => {
    const reader = new ResultReader()
    for (const event of events) reader.add(event as FleetEvent)
    return reader.result(status)
  }
  const end = (outcome: string, more: object = {}) => ({ event: 'end', report: { outcome, hosts: [], ...more } })
  t.strictSame(read([end('changed')], 0), { state: 'succeeded', reason: null })
  t.strictSame(read([end('unchanged')], 0), { state: 'succeeded', reason: 'nothing to change' })
  const stopped = { stopped: '1 host failed', hosts: [{ host: 'a', outcome: 'rolled back' }] }
  t.match(read([end('failed', stopped)], 1), { state: 'rolled back', reason: '1 host failed; rolled back: a' })
  t.match(read([end('failed', { stopped: 'the site does not answer' })], 1), { state: 'failed' })
  t.match(read([{ event: 'error', message: 'wrong stack' }], 2), { state: 'failed', reason: 'wrong stack' })
  const step = { event: 'host', host: 'a', phase: 'switch', step: 'buildout' }
  t.strictSame(read([step], null), { state: 'interrupted', reason: 'the rollout was killed: a at switch: buildout' })
  t.match(read([], null), { state: 'interrupted', reason: /before any host began/ })
  t.match(read([], 137), { state: 'failed', reason: /status 137/ })
})

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const value of values) collected.push(value)
  return collected
}

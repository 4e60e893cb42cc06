/**
 * Tests runs with a damaged file among the records of the host: each ends with success, or with one error that names the
 * file and says what to do; without the file, the next run succeeds.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

const runs = Number(process.env.FUZZ_RUNS ?? 30)
const seed = Number(process.env.CONVERGE_TEST_SEED ?? 9)
t.setTimeout(120_000 + runs * 15_000)

const recipe = `import { directory, execute, file, git_release, role } from 'converge-engine'
export default role('probe', {
  setup(r) {
    const at = process.cwd()
    for (const path of ['srv', 'srv/releases', 'srv/shared']) directory(r, { path: at + '/' + path })
    const settings = file(r, { path: at + '/srv/settings', content: 'password = ' + r.node.password + '\\n', mode: '0600' })
    execute(r, { name: 'reload', command: ['true'], when: [settings] })
  },
  deploy(r) {
    const at = process.cwd()
    git_release(r, { app: 'mine', into: at + '/srv/releases', shared: at + '/srv/shared', current: at + '/srv/current',
      repository: at + '/site', revision: 'main', inputs: {} })
  },
})
`

interface Damage {
  readonly name: string
  readonly put: (path: string, content: Buffer, chance: number) => void
}

function text(name: string, make: (content: Buffer, at: number) => string | Buffer): Damage {
  return {
    name,
    put: (path, content, chance) => fs.writeFileSync(path, make(content, Math.floor(chance * content.length))),
  }
}

function flipped(content: Buffer, at: number): Buffer {
  const copy = Buffer.from(content)
  if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ 0x15
  return copy
}

const damages: readonly Damage[] = [
  text('cut off', (content, at) => content.subarray(0, at)),
  text('empty', () => ''),
  text('zeros', (content) => Buffer.alloc(content.length)),
  text('a flipped byte', flipped),
  text('null', () => 'null\n'),
  text('a list', () => '[1, null, {}, "a"]\n'),
  text('other types', (content) => content.toString().replace(/:("[^"]*"|\d+|true|false)/g, ':[7]')),
  text('huge numbers', (content) => content.toString().replace(/\d+/g, '9'.repeat(400))),
  text('escapes', () => '\x1b[2J\x1b]0;owned\x07\nerror: forged\n'),
  text('not UTF-8', (content, at) =>
    Buffer.concat([content.subarray(0, at), Buffer.from([0xff, 0xfe, 0]), content.subarray(at)]),
  ),
  text('twice', (content) => Buffer.concat([content, content])),
  { name: 'a directory', put: (path) => fs.mkdirSync(path) },
  { name: 'a pipe', put: (path) => execFileSync('mkfifo', [path]) },
]

const commands = [
  ['setup'],
  ['deploy'],
  ['status'],
  ['releases'],
  ['report'],
  ['plan'],
  ['lock', '-m', 'x'],
  ['unlock'],
]

t.test('a damaged record', async (t) => {
  if (!needs(t, ['git'])) return
  const sandbox = new Sandbox(t)
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-C', sandbox.at('site')]
  execFileSync('git', ['init', '-q', '-b', 'main', sandbox.at('site')])
  const commit = () => execFileSync('git', [...identity, 'commit', '-q', '--allow-empty', '-m', 'next'])
  commit()
  const site = ['--role', 'probe', '--recipes', 'recipes', '--json', 'site.json']
  const isOfHost = (words: readonly string[]) => /^(report|lock|unlock)$/.test(words[0] ?? '')
  const converge = (words: readonly string[]) =>
    sandbox.converge([...words, ...(isOfHost(words) ? ['--state-dir', sandbox.state] : site)], {
      bare: isOfHost(words),
      through: ['timeout', '-s', 'KILL', '60'],
    })
  sandbox.write({ 'recipes/probe.ts': recipe, 'site.json': '{"password": "one-hunter22"}' })
  t.match(await converge([]), { status: 0 })
  sandbox.write({ 'site.json': '{"password": "two-hunter22"}' })
  t.match(await converge([]), { status: 0 })
  t.match(await converge(['lock', '-m', 'wait']), { status: 0 })
  const keep = sandbox.at('keep')
  const own = ['state', 'srv']
  execFileSync('mkdir', [keep])
  for (const name of own) execFileSync('cp', ['-a', sandbox.at(name), keep])
  const restore = () => {
    for (const name of own) {
      fs.rmSync(sandbox.at(name), { recursive: true, force: true })
      execFileSync('cp', ['-a', `${keep}/${name}`, sandbox.directory])
    }
  }
  const records = own.flatMap((name) =>
    fs
      .readdirSync(sandbox.at(name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.git\b/.test(entry.parentPath))
      .map((entry) => `${entry.parentPath}/${entry.name}`),
  )
  t.ok(records.length >= 6, records.map((path) => path.slice(sandbox.directory.length)).join(' '))
  const cases = fc.sample(
    fc.record({
      path: fc.constantFrom(...records),
      damage: fc.constantFrom(...damages),
      words: fc.constantFrom(...commands),
      chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
    }),
    { numRuns: runs, seed },
  )
  let failed = 0
  for (const { path, damage, words, chance } of cases) {
    restore()
    const content = fs.readFileSync(path)
    fs.rmSync(path)
    damage.put(path, content, chance)
    const what = `${words.join(' ')}: ${path.slice(sandbox.directory.length)} is ${damage.name}`
    const { status, signal, stdout, stderr } = await converge(words)
    const output = stdout + stderr
    if (process.env.SHOW) console.error(`== ${what}: ${status}\n${status === 0 ? '' : output}`)
    if (signal !== null || ![0, 1, 2].includes(status ?? -1)) t.fail(`${what}: status ${status} ${signal}`, { output })
    if (/INTERNAL|report this fault|\n\s+at \S+ \(|node:internal/.test(output)) t.fail(`${what}: a trace`, { output })
    if (/[\x00-\x08\x0b-\x1f\x7f]|^error: forged/m.test(output))
      t.fail(`${what}: its text steers the terminal`, { output })
    const isOfLock = /deploys are locked|locked by/.test(output)
    if (status !== 0 && !isOfLock) {
      failed++
      if (!output.includes(path) && !output.includes(path.split('/').slice(0, -1).join('/')))
        t.fail(`${what}: the error does not name the file`, { output })
      if (!/hint/.test(output)) t.fail(`${what}: the error has no hint`, { output })
    }
    fs.rmSync(path, { recursive: true, force: true })
    fs.rmSync(sandbox.at('state/deploy-lock.json'), { recursive: true, force: true })
    const next = await converge(['setup'])
    if (next.status !== 0) t.fail(`${what}: without the file, a setup fails`, { output: next.stdout + next.stderr })
  }
  t.pass(`${cases.length} damaged files, ${failed} errors`)
})

/** Tests the files that a run leaves: a journal, a lock, and otherwise only what was declared. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { linesOf, Sandbox } from '../support/program.ts'

const recipe = `
import { directory, execute, file, role, symlink, template } from 'converge-engine'
const at = (name) => process.cwd() + '/out/' + name
export default role('site', {
  setup(r, node) {
    directory(r, { path: process.cwd() + '/out' })
    const config = file(r, { path: at('config'), content: String(node.plone_instances.site_id), mode: '0640' })
    template(r, { path: at('page'), source: '{{id}}', variables: { id: 1 } })
    symlink(r, { path: at('link'), target: at('config') })
    execute(r, { name: 'reload', command: ['touch', at('reloaded')], when: [config] })
  },
})
`
const args = ['setup', '--role', 'site', '--recipes', 'recipes']

function sandboxWithFiles(t: Test): Sandbox {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/site.ts': recipe })
  return sandbox
}

const mode = (path: string) => (fs.statSync(path).mode & 0o7777).toString(8)
const journals = (sandbox: Sandbox) => fs.readdirSync(`${sandbox.state}/runs`).sort()

t.test('writes JSON lines that only this account can read', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const run = await sandbox.converge([...args, '--json-output'])
  t.strictSame(journals(sandbox), ['000001.jsonl'])
  t.equal(mode(sandbox.state), '700')
  t.equal(mode(`${sandbox.state}/runs`), '700')
  t.equal(mode(`${sandbox.state}/runs/000001.jsonl`), '600')
  const reported = linesOf(run.stdout)
  t.ok(reported.some(({ diff }) => diff !== undefined))
  const kept: unknown = JSON.parse(
    JSON.stringify(reported, (key, value: unknown) => (key === 'diff' ? undefined : value)),
  )
  t.strictSame(
    sandbox.journals()[0],
    kept,
    'the same as --json-output, without the diffs, which follow from the patches',
  )
  await sandbox.converge(args)
  t.strictSame(
    sandbox.journals()[1]?.map(({ event }) => event),
    ['start', 'end'],
    'a run with nothing to do has one, too',
  )
})

t.test('a plan writes no journal', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const before = sandbox.snapshot()
  t.equal((await sandbox.converge(['plan', ...args.slice(1), '--event', 'setup'])).status, 0)
  t.equal((await sandbox.converge([...args, '--dry-run'])).status, 0)
  t.strictSame(sandbox.snapshot(), before)
})

t.test('keeps the last thirty journals, by number and not by the clock', async (t) => {
  const sandbox = sandboxWithFiles(t)
  await sandbox.converge(args)
  for (let n = 2; n <= 31; n++)
    fs.copyFileSync(`${sandbox.state}/runs/000001.jsonl`, `${sandbox.state}/runs/${`${n}`.padStart(6, '0')}.jsonl`)
  fs.writeFileSync(`${sandbox.state}/runs/notes.txt`, 'not ours')
  // The clock was set back: the oldest journal by number has the newest time.
  fs.utimesSync(`${sandbox.state}/runs/000001.jsonl`, 4e9, 4e9)
  await sandbox.converge(args)
  const kept = journals(sandbox)
  t.equal(kept.length, 31)
  t.equal(kept[0], '000003.jsonl')
  t.equal(kept[29], '000032.jsonl')
  t.equal(kept[30], 'notes.txt')
})

t.test('reads a journal that a crash of the host truncated, up to its last whole line', async (t) => {
  const sandbox = sandboxWithFiles(t)
  await sandbox.converge(args)
  const path = `${sandbox.state}/runs/000001.jsonl`
  const lines = fs.readFileSync(path, 'utf8').split('\n')
  fs.writeFileSync(path, `${lines.slice(0, 3).join('\n')}\n${lines[3]?.slice(0, 20)}`)
  const status = async () => (await sandbox.converge(['status', ...args.slice(1)])).stdout
  t.match(await status(), /site: setup: did not end: it was killed/)
  fs.writeFileSync(path, '')
  t.match(await status(), /did not end: it was killed/)
})

t.test('status reports the last run', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const status = async (...more: string[]) => (await sandbox.converge(['status', ...args.slice(1), ...more])).stdout
  t.match(await status(), /^roles {6}site\nlast run {3}none\n$/)
  await sandbox.converge(args)
  t.match(await status(), /^last run {3}\d{4}-\d\d-\d\dT\S+Z {2}site: setup: changed \(5\)\n$/m)
  await sandbox.converge(args)
  t.match(await status(), /site: setup: unchanged\n$/)
  fs.rmSync(sandbox.at('out'), { recursive: true })
  fs.writeFileSync(sandbox.at('out'), '')
  t.equal((await sandbox.converge(args)).status, 1)
  t.match(await status(), /site: setup: failed\n$/)
  t.match(JSON.parse(await status('--json-output')), {
    roles: ['site'],
    apps: [],
    lastRun: { id: '000003', outcome: 'failed' },
  })
})

t.test('a run with nothing to do writes its journal and its lock, nothing else', async (t) => {
  if (!needs(t, ['strace'])) return
  const sandbox = sandboxWithFiles(t)
  await sandbox.converge(args)
  const before = sandbox
    .snapshot()
    .filter((line) => !line.startsWith(`${sandbox.state} `) && !line.startsWith(`${sandbox.state}/`))
  const log = sandbox.at('strace.log')
  const { stdout } = await sandbox.converge(args, {
    through: ['strace', '-f', '-y', '-e', 'trace=%file,%desc', '-o', log],
  })
  t.match(stdout, /^nothing to do: 5 unchanged/)
  const calls = writes(fs.readFileSync(log, 'utf8'))
  t.ok(calls.length > 0, 'there is something to see')
  t.strictSame(
    calls.filter((call) => !call.includes(`"${sandbox.state}/`)),
    [],
    'no call that changes a file elsewhere',
  )
  const touched = new Set(
    calls.flatMap((call) =>
      [...call.matchAll(/"([^"]+)"/g)].map(([, path = '']) =>
        path.slice(sandbox.state.length + 1).replace(/\d+/g, 'N'),
      ),
    ),
  )
  for (const path of touched) t.match(path, /^(lock\.d(\/\.?N(-N)?)?|runs(\/N\.jsonl)?)$/)
  fs.rmSync(log)
  t.strictSame(
    sandbox.snapshot().filter((line) => !line.startsWith(`${sandbox.state} `) && !line.startsWith(`${sandbox.state}/`)),
    before,
  )
})

/** Returns successful system calls that change a file or its name; those that fail with EEXIST change nothing. */
function writes(log: string): string[] {
  const changing =
    /^\d+ +(?:mkdir|rename|link|unlink|symlink|rmdir|chmod|fchmodat|chown|lchown|fchownat|utime|truncate|mknod|setxattr)\w*\(/
  const opening = /^\d+ +open(?:at)?\(.*(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)/
  const own = /"\/(?:dev|proc)\//
  return log
    .split('\n')
    .filter((call) => (changing.test(call) || opening.test(call)) && !/ = -1 E/.test(call) && !own.test(call))
}

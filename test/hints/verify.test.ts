/**
 * Proves the hints of converge verify: each with a role that fails in the copy of the system, and its repair. It runs the
 * commands of docs/testing-recipes.md and docs/reference/commands.md with roles of its own.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs, scratch } from '../support/machine.ts'
import type { Proof } from '../support/proofs.ts'
import { systemCopyNeeds } from '../support/system_copy.ts'

interface VerifyProof extends Proof {
  /** Statements of the role, before and after the repair. */
  readonly broken: string
  readonly repaired?: string
  /** Words before the command that take rights away. */
  readonly without?: readonly string[]
  readonly status?: number
}

const verifyCommand = 'core/cli/commands/verify.ts'
const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))
const good = "file(r, { path: '/srv/a', content: 'x', mode: '0644' })"

function verify(t: Test, statements: string, without: readonly string[] = [], options: readonly string[] = []) {
  const directory = scratch(t)
  const text = `import { execute, file, role, sysctl } from 'converge-engine'
export default role('web', { deploy(r) { ${statements} } })
`
  writeFileSync(`${directory}/web.ts`, text, { mode: 0o644 })
  const line = [
    process.execPath,
    program,
    'verify',
    '--role',
    'web',
    '--recipes',
    directory,
    '--event',
    'deploy',
    ...options,
  ]
  const { PATH } = process.env
  // Without this, tap loads itself into the program, and writes where another account cannot.
  return spawnSync('env', ['-u', 'NODE_OPTIONS', ...without, ...line], {
    encoding: 'utf8',
    env: { PATH, XDG_CACHE_HOME: `${directory}/cache` },
    input: 'cat /srv/a\n',
  })
}

const proofs: readonly VerifyProof[] = [
  {
    source: verifyCommand,
    hint: 'correct each resource that the second run lists: an execute needs creates, when or a guard, and a type of your own must read back what it wrote',
    broken: "execute(r, { command: ['touch', '/srv/a'] })",
    repaired: "execute(r, { command: ['touch', '/srv/a'], creates: '/srv/a' })",
  },
  {
    source: verifyCommand,
    hint: 'correct the resource that failed: it must accept the state that the first run left',
    broken: "execute(r, { command: ['mkdir', '/srv/a'] })",
    repaired: "execute(r, { command: ['mkdir', '/srv/a'], creates: '/srv/a' })",
  },
  {
    source: verifyCommand,
    hint: 'run it with sudo; without root, converge test runs the tests of a role in memory',
    broken: good,
    without: ['setpriv', '--reuid', '65534', '--clear-groups'],
    status: 2,
  },
  {
    source: 'core/host/system_copy.ts',
    hint: 'run it as root on a host or virtual machine, or in a container with --privileged; unshare, setpriv and overlay mounts are required',
    broken: good,
    without: ['setpriv', '--bounding-set', '-sys_admin'],
  },
]

for (const { source, hint, broken, repaired = broken, without, status = 1 } of proofs)
  t.test(`${source}: ${hint}`, async (t) => {
    if (!needs(t, systemCopyNeeds)) return
    const before = verify(t, broken, without)
    t.equal(before.status, status, before.stderr)
    t.match(before.stderr, `hint: ${hint}`)
    const after = verify(t, repaired)
    t.equal(after.status, 0, after.stderr)
    t.match(after.stdout, 'nothing to do')
  })

t.test('left out resources do not run', async (t) => {
  if (!needs(t, systemCopyNeeds)) return
  const { status, stdout, stderr } = verify(t, `${good}; execute(r, { command: ['false'] })`, [], ['--skip', 'execute'])
  t.equal(status, 0, stderr)
  t.match(stdout, /1 changed, 1 resource left out by --skip/)
})

t.test('nothing of the system changes', async (t) => {
  if (!needs(t, systemCopyNeeds)) return
  const setting = '/proc/sys/vm/swappiness'
  const before = readFileSync(setting, 'utf8')
  const other = before.trim() === '33' ? 34 : 33
  const kernel = `sysctl(r, { key: 'vm.swappiness', value: ${other} })`
  const { status, stdout, stderr } = verify(t, `${good}; ${kernel}`, [], ['--keep'])
  t.equal(status, 0, stderr)
  t.match(
    stdout,
    new RegExp(`file /srv/a[\\s\\S]*running: \\d+ -> ${other}[\\s\\S]*2 changed[\\s\\S]*nothing to do[\\s\\S]*x$`),
  )
  t.equal(readFileSync(setting, 'utf8'), before)
  t.notOk(existsSync('/srv/a'))
  // Other tests mount file systems at the same time.
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), 'converge-verify-')
})

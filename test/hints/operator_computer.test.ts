/**
 * Proves the hints about the operator's end of a stack (terminal, stack file, records): triggers each, then follows it.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sudoPassword } from '../../core/cli/stack/sudo_password.ts'
import { type DeploymentStart, Recorder } from '../../core/fleet/records/recorder.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { needs, scratch } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof, proveCalls } from '../support/proofs.ts'
import { connectionTo, shell } from '../support/shell_hosts.ts'

const hosts = { web1: { address: '127.0.0.1', port: 1, layers: ['app'] } }
const stack = JSON.stringify({ name: 'shop', layers: { app: { roles: ['base'] } }, hosts })

t.test('the hints about the password for sudo work', async (t) => {
  const proof: Proof = {
    source: 'core/cli/stack/sudo_password.ts',
    hint: 'run it on a terminal, or set CONVERGE_SUDO_PASSWORD',
  }
  const directory = scratch(t)
  const host = shell({ startup: `PATH=${directory}:$PATH` })
  const asking = 'shift; shift; shift; echo "$1" >&2; read -r word; [ "$word" = secret ] || exit 1; shift 2; exec "$@"'
  writeFileSync(join(directory, 'sudo'), `#!/bin/sh\n${asking}\n`, { mode: 0o755 })
  const output = (prompt: (() => Promise<string>) | null) => {
    const password = sudoPassword(prompt, () => undefined)
    return connectionTo(t, host, directory, { sudo: { password } }).runForOutput('true', [])
  }
  t.teardown(() => delete process.env.CONVERGE_SUDO_PASSWORD)
  proveCalls(t, [
    { ...proof, broken: () => output(null), repaired: () => output(async () => 'secret') },
    {
      ...proof,
      broken: () => output(null),
      repaired: () => {
        process.env.CONVERGE_SUDO_PASSWORD = 'secret'
        return output(null)
      },
    },
  ])
})

t.test('the hints about a stack file that others may change work', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const proof: Proof = {
    source: 'core/cli/stack/inputs.ts',
    hint: 'if you trust it: --stack ./…; else work in another directory',
  }
  const sandbox = new Sandbox(t)
  const code = `import { defineStack } from 'converge-engine'\nexport default defineStack(${stack})\n`
  sandbox.write({ 'stack.ts': code, 'other/stack.json': stack })
  execFileSync('chown', ['nobody', sandbox.at('stack.ts')])
  const check = (words: readonly string[], cwd?: string) =>
    sandbox.converge(['stack', 'check', ...words], { bare: true, ...(cwd ? { cwd } : {}) })
  const before = await check([])
  t.match(before.stderr, hintPattern(`…${proof.hint}…`), 'the hint is given')
  const named = await check(['--stack', './stack.ts'])
  t.equal(named.status, 0, 'named, it is used', { named })
  const elsewhere = await check([], sandbox.at('other'))
  t.equal(elsewhere.status, 0, 'another directory has its own', { elsewhere })
})

t.test('the hints about records that cannot be written work', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const proof: Proof = {
    source: 'core/fleet/records/state_files.ts',
    hint: 'get write access to it, which is beside the stack file, or move the stack file into a directory of your own',
  }
  const sandbox = new Sandbox(t)
  sandbox.write({ 'shop/stack.json': stack, 'own/stack.json': stack })
  chmodSync(sandbox.directory, 0o755)
  const ids = (option: string) => Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }))
  const setup = (directory: string) =>
    sandbox.converge(['stack', 'setup'], { bare: true, account: 'nobody', cwd: sandbox.at(directory) })
  const give = (directory: string) => chownSync(sandbox.at(directory), ids('-u'), ids('-g'))
  const before = await setup('shop')
  t.match(before.stderr, hintPattern(`…${proof.hint}…`), 'the hint is given', { before })
  give('own')
  give('shop')
  for (const directory of ['own', 'shop']) {
    const after = await setup(directory)
    // The command gets as far as the host, where no sshd listens.
    t.notMatch(after.stderr, 'cannot keep the records', { after })
    t.match(after.stdout, /web1.*connect/s)
  }
})

t.test('the hints about a full disk work', async (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return
  const directory = scratch(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=192k', 'tmpfs', directory])
  t.teardown(() => execFileSync('umount', ['--lazy', directory]))
  const recorder = new Recorder({ directory, secrets: new Secrets(), warn: () => undefined })
  const start: DeploymentStart = {
    ...{ stack: 'shop', comment: '', by: 'jane@desk', commits: {}, hosts: ['web1'] },
    action: 'configure',
    strategy: 'rolling',
    started: '2026-11-20T07:40:00.000Z',
  }
  const filler = join(directory, 'filler')
  proveCalls(t, [
    {
      source: 'core/fleet/records/state_files.ts',
      hint: 'free some space there (df -h shows how much is left), then run again',
      broken: () => {
        t.throws(() => writeFileSync(filler, Buffer.alloc(1 << 20)), { code: 'ENOSPC' })
        recorder.begin(start)
      },
      repaired: () => {
        rmSync(filler)
        recorder.begin(start)
      },
    },
  ])
})

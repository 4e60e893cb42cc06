/** Proves the hints about the host that converge works on: triggers each, then follows it. */
import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { awaitCommandsOf, CommandGuard } from '../../core/host/command_guard.ts'
import { readDeployLock, removeDeployLock, takeDeployLock } from '../../core/host/deploy_lock.ts'
import { LocalHost } from '../../core/host/local.ts'
import { acquireLock, type Holder, lockHolder, tryLock } from '../../core/host/lock.ts'
import { StateDirectory } from '../../core/host/state_directory.ts'
import { milliseconds } from '../../core/model/units.ts'
import { needs, scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'

const nobody = 65_534

async function sleeper(t: Test): Promise<ChildProcess> {
  const child = spawn('sleep', ['600'])
  t.teardown(() => child.kill())
  await promisify(child.once.bind(child))('spawn').catch(() => undefined)
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}

t.test('the hints about commands of an earlier run work', async (t) => {
  const state = scratch(t)
  const guard = new CommandGuard(state)
  const child = await sleeper(t)
  guard.begin(true)?.started(child.pid ?? 0)
  t.teardown(() => guard.close())
  const wait = () => awaitCommandsOf('000001', state, milliseconds(0), () => undefined)
  proveCalls(t, [
    {
      source: 'core/host/command_guard.ts',
      hint: 'wait until it ends, or end it (kill …), then run again; --wait SECONDS waits longer',
      broken: wait,
      repaired: async () => {
        await end(child)
        await wait()
      },
    },
  ])
})

t.test('the hints about locks work', async (t) => {
  const state = scratch(t)
  fs.writeFileSync(`${state}/deploy-lock.json`, '{')
  const other = scratch(t)
  const lock = (by: string) => ({ by, since: '2026-01-01T00:00:00.000Z', message: '' })
  takeDeployLock(other, lock('ann@host'))
  const path = `${state}/lock`
  const firstLock = tryLock(path, 'the first')
  const release = () => 'lock' in firstLock && firstLock.lock.release()
  const acquire = async (wait: number, what?: string) => {
    const one = await acquireLock(path, 'the second', milliseconds(wait), () => setTimeout(release, 100), what)
    one.release()
  }
  const far = `${state}/far`
  const holder: Holder = { ...(lockHolder(path) as Holder), pid: 999_999_999, host: 'elsewhere', space: 'pid:[1]' }
  fs.mkdirSync(`${far}.d`)
  fs.writeFileSync(`${far}.d/7`, JSON.stringify(holder))
  const acquireFar = () => acquireLock(far, 'here', milliseconds(0))
  proveCalls(t, [
    {
      source: 'core/host/deploy_lock.ts',
      hint: 'run converge unlock, which removes it',
      broken: () => readDeployLock(state),
      repaired: () => {
        removeDeployLock(state)
        readDeployLock(state)
      },
    },
    {
      source: 'core/host/deploy_lock.ts',
      hint: 'ask the holder first; converge unlock removes the lock, and converge stack unlock those of a stack',
      broken: () => takeDeployLock(other, lock('ben@host')),
      repaired: () => {
        removeDeployLock(other)
        takeDeployLock(other, lock('ben@host'))
      },
    },
    {
      source: 'core/host/lock.ts',
      hint: 'run again when that process has ended, which frees the lock',
      broken: () => acquireLock(path, 'the second', milliseconds(0), undefined, 'the cache'),
      repaired: () => acquireLock(`${path}-free`, 'the second', milliseconds(0), undefined, 'the cache'),
    },
    {
      source: 'core/host/lock.ts',
      hint: 'wait for it with --wait SECONDS; the lock frees itself when that process ends',
      broken: () => acquireLock(path, 'the second', milliseconds(0)),
      repaired: () => acquire(30_000),
    },
    {
      source: 'core/host/lock.ts',
      hint: `check on elsewhere whether that process still runs; if it does not, remove …/far.d`,
      broken: acquireFar,
      repaired: async () => {
        fs.rmSync(`${far}.d`, { recursive: true })
        await acquireFar()
      },
    },
  ])
})

t.test('the hints about files that another account may change work', async (t) => {
  if (!needs(t, ['root', 'nobody', 'tmpfs'])) return
  const base = scratch(t)
  const own = `${base}/own`
  const roots = `${base}/roots`
  for (const path of [own, roots, `${own}/kept`]) fs.mkdirSync(path)
  fs.chmodSync(roots, 0o700)
  fs.chownSync(own, nobody, nobody)
  fs.symlinkSync('loop', `${own}/loop`)
  fs.symlinkSync(roots, `${own}/to-roots`)
  fs.lchownSync(`${own}/to-roots`, nobody, nobody)
  const host = new LocalHost(`${base}/state`)
  const mounted = `${base}/mounted`
  fs.mkdirSync(mounted)
  await host.run(['mount', '-t', 'tmpfs', 'none', mounted])
  const umount = () => host.run(['umount', mounted])
  t.teardown(() => umount().catch(() => undefined))
  proveCalls(t, [
    {
      source: 'core/host/safe_paths.ts',
      hint: 'find out who changed it, and why: another account could make root write to the wrong file there',
      broken: () => host.writeFile(`${own}/loop/file`, 'x'),
      repaired: () => {
        fs.unlinkSync(`${own}/loop`)
        fs.mkdirSync(`${own}/loop`)
        host.writeFile(`${own}/loop/file`, 'x')
      },
    },
    {
      source: 'core/host/safe_paths.ts',
      hint: 'give that account the right, or give root the directories on the way: root does there only what that account may do',
      broken: () => host.writeFile(`${own}/to-roots/file`, 'x'),
      repaired: () => {
        fs.chownSync(roots, nobody, nobody)
        host.writeFile(`${own}/to-roots/file`, 'x')
      },
    },
    {
      source: 'core/host/safe_paths.ts',
      hint: 'give that account the right, or give root the directories on the way: root does there only what that account may do',
      broken: () => {
        fs.chownSync(roots, 0, 0)
        host.writeFile(`${own}/to-roots/file`, 'x')
      },
      repaired: () => {
        fs.chownSync(own, 0, 0)
        fs.lchownSync(`${own}/to-roots`, 0, 0)
        new LocalHost(`${base}/state`).writeFile(`${own}/to-roots/file`, 'x')
      },
    },
    {
      source: 'core/host/write_targets.ts',
      hint: 'umount …/mounted',
      broken: () => host.remove(mounted),
      repaired: async () => {
        await umount()
        host.remove(mounted)
      },
    },
  ])
})

t.test('the hints about files that cannot be removed work', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const base = scratch(t)
  fs.mkdirSync(`${base}/own/deep/roots`, { recursive: true })
  fs.writeFileSync(`${base}/own/deep/roots/file`, '')
  for (const path of ['own', 'own/deep']) fs.chownSync(`${base}/${path}`, nobody, nobody)
  fs.symlinkSync(`${base}/own`, `${base}/link`)
  fs.mkdirSync(`${base}/others`)
  fs.symlinkSync(`${base}/own`, `${base}/others/link`)
  fs.lchownSync(`${base}/others/link`, nobody, nobody)
  fs.chownSync(`${base}/others`, nobody, nobody)
  const host = new LocalHost(`${base}/state`)
  const remove = () => host.remove(`${base}/others/link/deep`)
  proveCalls(t, [
    {
      source: 'core/host/write_targets.ts',
      hint: 'check who owns the files that the output names (ls -l), and whether they are immutable (lsattr); then remove them as root',
      broken: remove,
      repaired: () => {
        fs.rmSync(`${base}/own/deep/roots`, { recursive: true })
        remove()
      },
    },
  ])
})

/** Calls a function as an account that is not root, as far as converge checks the account. */
async function asNobody(call: () => unknown): Promise<void> {
  const { getuid } = process
  Object.assign(process, { getuid: () => nobody })
  try {
    await call()
  } finally {
    Object.assign(process, { getuid })
  }
}

t.test('the hints about accounts and the state directory work', async (t) => {
  const base = scratch(t)
  fs.writeFileSync(`${base}/file`, '')
  const runAs = (user: string) => new LocalHost(`${base}/state`).run(['true'], { user })
  const check = (name: string) => new StateDirectory(`${base}/${name}`).prepare()
  if (!needs(t, ['root', 'nobody'])) return
  proveCalls(t, [
    {
      source: 'core/model/account_errors.ts',
      hint: 'run converge as root, or as daemon with --prefix DIR',
      broken: () => asNobody(() => runAs('daemon')),
      repaired: () => runAs('daemon'),
    },
    {
      source: 'core/model/account_errors.ts',
      hint: 'run converge as root',
      broken: () => asNobody(() => runAs('root')),
      repaired: () => runAs('root'),
    },
    {
      source: 'core/host/state_directory.ts',
      hint: 'give --prefix DIR or --state-dir DIR for a directory of your own',
      broken: () => check('file/state'),
      repaired: () => check('state'),
    },
    {
      source: 'core/host/state_directory.ts',
      hint: 'run as root, or give --prefix DIR or --state-dir DIR for a directory of your own',
      broken: () => asNobody(() => check('file/state')),
      repaired: () => asNobody(() => check('state')),
    },
  ])
})

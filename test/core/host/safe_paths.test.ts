/** Tests root in directories that another account can change at the same time. */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { CommandGuard } from '../../../core/host/command_guard.ts'
import { takeDeployLock } from '../../../core/host/deploy_lock.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { isRootOnly, pinDirectory, withRights } from '../../../core/host/safe_paths.ts'
import { StateDirectory } from '../../../core/host/state_directory.ts'
import { needs, scratch } from '../../support/machine.ts'

const nobody = 65_534
const processIds = { root: () => process.geteuid?.(), group: () => process.getegid?.() }

/** Makes a directory of `nobody` below one of root's, and root's own files that `nobody` must not change. */
function site(t: Test) {
  const base = scratch(t)
  const own = `${base}/own`
  const precious = `${base}/precious`
  fs.mkdirSync(own)
  fs.chownSync(own, nobody, nobody)
  fs.mkdirSync(precious, { mode: 0o700 })
  fs.writeFileSync(`${precious}/file`, 'precious', { mode: 0o600 })
  const untouched = () => {
    t.equal(processIds.root(), 0, 'root is root again')
    t.equal(processIds.group(), 0)
    t.strictSame(fs.statSync(precious).uid, 0)
    t.strictSame(fs.statSync(precious).mode & 0o777, 0o700)
    t.equal(fs.readFileSync(`${precious}/file`, 'utf8'), 'precious')
    t.match(fs.statSync(`${precious}/file`), { uid: 0 })
  }
  return { base, own, precious, untouched, host: new LocalHost(`${base}/state`) }
}

t.test('recognizes directories that only root can change', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { base, own, untouched } = site(t)
  fs.mkdirSync(`${own}/roots`)
  fs.symlinkSync(own, `${base}/to-own`)
  fs.symlinkSync('../..', `${base}/up`)
  fs.symlinkSync('loop', `${base}/loop`)
  fs.mkdirSync(`${base}/all`)
  fs.chmodSync(`${base}/all`, 0o777)
  fs.mkdirSync(`${base}/group`)
  fs.chownSync(`${base}/group`, 0, nobody)
  fs.chmodSync(`${base}/group`, 0o775)
  for (const path of ['/', '/etc', '/var/run', base, `${base}/missing/x`, `${base}/../..`, `${base}/up/etc`])
    t.equal(isRootOnly(path), true, path)
  for (const path of [own, `${own}/roots`, `${base}/to-own`, `${base}/loop`, `${base}/all`, `${base}/group`, '/tmp'])
    t.equal(isRootOnly(path), false, path)
  untouched()
})

t.test('supports every operation in the directory of another account', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, host, untouched } = site(t)
  host.writeFile(`${own}/file`, 'a')
  t.match(host.lstat(`${own}/file`), { uid: 0, gid: 0, mode: '0644' })
  host.writeFile(`${own}/file`, 'b', { owner: 'nobody', group: 'nogroup', mode: '0640' })
  t.match(host.lstat(`${own}/file`), { uid: nobody, gid: nobody, mode: '0640' })
  host.writeFile(`${own}/file`, 'c')
  t.match(host.lstat(`${own}/file`), { uid: nobody, gid: nobody, mode: '0640' }, 'owner and mode stay')
  host.makeDirectory(`${own}/roots`)
  t.match(host.lstat(`${own}/roots`), { uid: 0, gid: 0, mode: '0755' })
  host.writeFile(`${own}/roots/deep`, 'd', { group: 'nogroup' })
  t.match(host.lstat(`${own}/roots/deep`), { uid: 0, gid: nobody })
  host.makeDirectory(`${own}/www`, { owner: 'www-data', group: 'nogroup', mode: '2770' })
  t.match(host.lstat(`${own}/www`), { uid: 33, gid: nobody, mode: '2770' })
  t.throws(() => host.makeDirectory(`${own}/www`), { code: 'EEXIST', path: `${own}/www` })
  host.replaceLink(`${own}/link`, 'file', { owner: 'nobody' })
  host.replaceLink(`${own}/link`, 'www', { owner: 'nobody' })
  t.match([host.readLink(`${own}/link`), host.lstat(`${own}/link`)?.uid], ['www', nobody])
  host.setMode(`${own}/www`, '2750')
  host.setMode(`${own}/roots`, '0700')
  host.setOwner(`${own}/www`, 'nobody', undefined)
  t.match(host.lstat(`${own}/www`), { uid: nobody, mode: '2750' })
  t.match(host.lstat(`${own}/roots`), { uid: 0, mode: '0700' })
  host.rename(`${own}/roots`, `${own}/www/roots`)
  t.equal(host.readText(`${own}/www/roots/deep`), 'd')
  host.setOwner(`${own}/www/roots`, 'nobody', 'nogroup')
  fs.chmodSync(`${own}/www`, 0o500)
  host.remove(`${own}/www`)
  host.remove(`${own}/www`)
  host.remove(`${own}/link`)
  host.remove(`${own}/none/such`)
  t.strictSame(fs.readdirSync(own), ['file'], 'no temporary file remains')
  t.throws(() => host.writeFile(`${own}/none/such`, ''), { code: 'ENOENT', message: new RegExp(`${own}/none`) })
  host.flush()
  untouched()
})

t.test('through a link of another account, root does only what that account may do', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { base, own, precious, host, untouched } = site(t)
  fs.symlinkSync(precious, `${own}/shared`)
  fs.lchownSync(`${own}/shared`, nobody, nobody)
  // Made by root, but in a directory where `nobody` can replace it: root cannot tell it from any other link of root's.
  fs.mkdirSync(`${base}/etc/deep/er`, { recursive: true })
  fs.symlinkSync('../etc', `${own}/roots-link`)
  const refused = { code: 'EACCES' }
  t.throws(() => host.writeFile(`${own}/shared/file`, 'x', { owner: 'nobody' }), refused)
  t.throws(() => host.writeFile(`${own}/roots-link/converge-test`, 'x'), refused)
  t.throws(() => host.makeDirectory(`${own}/shared/made`, { owner: 'nobody' }), refused)
  t.throws(() => host.replaceLink(`${own}/shared/file`, 'x'), refused)
  t.throws(() => host.setMode(`${own}/shared/file`, '0644'), refused)
  t.throws(() => host.setMode(`${own}/shared/.`, '0755'), refused)
  t.throws(() => host.setOwner(`${own}/shared/.`, 'nobody', undefined), refused)
  t.throws(() => host.setMode(`${own}/roots-link/.`, '0777'), { code: 'EPERM' })
  t.throws(() => host.setOwner(`${own}/roots-link/.`, 'nobody', undefined), { code: 'EPERM' })
  t.throws(() => host.setOwner(`${own}/shared/file`, 'nobody', undefined), refused)
  t.throws(() => host.rename(`${own}/shared/file`, `${own}/mine`), refused)
  t.throws(() => host.remove(`${own}/shared/file`), refused)
  t.throws(() => host.remove(`${own}/roots-link/deep`), { code: 'COMMAND_FAILED' })
  t.strictSame(fs.readdirSync(`${base}/etc`), ['deep'])
  t.match(fs.statSync(`${base}/etc`), { uid: 0, mode: 0o40755 })
  await t.rejects(host.download('http://127.0.0.1:9/', `${own}/shared/got`), refused)
  // Through a link to the account's own directory, the write is allowed.
  fs.mkdirSync(`${base}/elsewhere`)
  fs.chownSync(`${base}/elsewhere`, nobody, nobody)
  fs.symlinkSync('../elsewhere', `${own}/mine`)
  host.writeFile(`${own}/mine/file`, 'x', { owner: 'www-data' })
  t.match(host.lstat(`${base}/elsewhere/file`), { uid: 33 })
  host.makeDirectory(`${own}/mine/made`)
  host.remove(`${own}/mine/made`)
  host.remove(`${own}/mine/file`)
  t.strictSame(fs.readdirSync(`${base}/elsewhere`), [])
  untouched()
})

t.test('refuses links and hard links at the path', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, precious, host, untouched } = site(t)
  fs.symlinkSync(precious, `${own}/dir`)
  fs.symlinkSync(`${precious}/file`, `${own}/link`)
  fs.linkSync(`${precious}/file`, `${own}/hard`)
  t.throws(() => host.setMode(`${own}/link`, '0666'), { code: 'UNSAFE_PATH' })
  t.throws(() => host.setMode(`${own}/hard`, '0666'), { code: 'UNSAFE_PATH' })
  t.throws(() => host.setOwner(`${own}/hard`, 'nobody', undefined), { code: 'UNSAFE_PATH' })
  host.setOwner(`${own}/link`, 'nobody', undefined)
  t.equal(fs.lstatSync(`${own}/link`).uid, nobody)
  host.writeFile(`${own}/link`, 'x')
  host.remove(`${own}/dir`)
  host.remove(`${own}/hard`)
  // A setuid program of the account must not become one of root's.
  fs.writeFileSync(`${own}/program`, '')
  fs.chownSync(`${own}/program`, nobody, nobody)
  fs.chmodSync(`${own}/program`, 0o4755)
  host.setOwner(`${own}/program`, 'root', undefined)
  t.match(host.lstat(`${own}/program`), { uid: 0, mode: '0755' })
  fs.chmodSync(`${own}/program`, 0o4755)
  host.writeFile(`${own}/program`, 'x')
  t.match(host.lstat(`${own}/program`), { mode: '0755' })
  untouched()
})

t.test('does not follow a link that replaces a directory during an operation', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, precious, host, untouched } = site(t)
  fs.mkdirSync(`${own}/etc`)
  fs.chownSync(`${own}/etc`, nobody, nobody)
  const pinned = pinDirectory(`${own}/etc`)
  fs.renameSync(`${own}/etc`, `${own}/away`)
  fs.symlinkSync(precious, `${own}/etc`)
  fs.writeFileSync(`${pinned.path}/file`, 'mine')
  fs.closeSync(pinned.fd)
  t.equal(fs.readFileSync(`${own}/away/file`, 'utf8'), 'mine', 'the descriptor stays with the directory')
  t.throws(() => host.writeFile(`${own}/etc/file`, 'x'), { code: 'EACCES' })
  t.throws(() => pinDirectory(`${own}/away/file`), { code: 'ENOTDIR', path: `${own}/away/file` })
  untouched()
})

t.test('never follows a link if an account swaps directory and link in a loop', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, precious, host, untouched } = site(t)
  fs.mkdirSync(`${own}/etc`)
  fs.chownSync(`${own}/etc`, nobody, nobody)
  const script = `const fs = require('fs')
    for (;;) { fs.renameSync('etc', 'away'); fs.symlinkSync('${precious}', 'etc'); fs.unlinkSync('etc'); fs.renameSync('away', 'etc') }`
  const swapping = spawn(process.execPath, ['-e', script], { cwd: own, uid: nobody, gid: nobody, stdio: 'ignore' })
  t.teardown(() => void swapping.kill('SIGKILL'))
  const outcomes = new Set<string>()
  const began = performance.now()
  const met = () => outcomes.has('done') && outcomes.size > 1
  // If the system is busy, the other process may start late.
  const mustContinue = () => performance.now() - began < (met() ? 1500 : 30_000)
  const changes = [
    () => host.writeFile(`${own}/etc/file`, 'x', { owner: 'nobody' }),
    () => host.setMode(`${own}/etc/file`, '0666'),
    () => host.setOwner(`${own}/etc/file`, 'nobody', undefined),
    () => host.setMode(`${own}/etc/.`, '0777'),
    () => host.replaceLink(`${own}/etc/link`, 'x'),
    () => host.remove(`${own}/etc/file`),
  ]
  while (mustContinue()) {
    for (const change of changes)
      try {
        change()
        outcomes.add('done')
      } catch (error) {
        outcomes.add(`${(error as NodeJS.ErrnoException).code}`)
      }
    // Lets the other process run.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.comment([...outcomes].join(' '))
  t.ok(met(), 'both were met: the directory, and the link or nothing')
  t.strictSame(fs.readdirSync(precious), ['file'])
  untouched()
})

t.test('removes a tree without following its links', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, base, precious, host, untouched } = site(t)
  fs.mkdirSync(`${own}/tree/deep`, { recursive: true })
  fs.symlinkSync(precious, `${own}/tree/deep/link`)
  host.remove(`${own}/tree`)
  fs.symlinkSync(precious, `${own}/link`)
  host.remove(own)
  t.notOk(fs.existsSync(own))
  t.strictSame(fs.readdirSync(base).sort(), ['precious'])
  untouched()
})

t.test('restores the rights of root, whatever happens', async (t) => {
  if (!needs(t, ['root'])) return
  const groups = process.getgroups?.()
  const as = { uid: nobody, gid: nobody, groups: [nobody] }
  const own = () => [process.geteuid?.(), process.getegid?.(), process.getgroups?.()]
  t.strictSame(withRights(as, own), [nobody, nobody, [nobody]])
  t.strictSame(own(), [0, 0, groups])
  const boom = () => {
    throw new Error('boom')
  }
  t.throws(() => withRights(as, boom), { message: 'boom' })
  t.strictSame(own(), [0, 0, groups])
  t.throws(() => withRights({ ...as, groups: [-1] }, own))
  t.throws(() => withRights({ ...as, uid: -5 }, own))
  t.strictSame(own(), [0, 0, groups])
})

t.test('downloads into the directory of another account', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, host, untouched } = site(t)
  const server = createServer((_, answer) => void answer.end('content')).listen(0, '127.0.0.1')
  t.teardown(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  await host.download(url, `${own}/got`, { owner: 'nobody', mode: '0600' })
  t.match(host.lstat(`${own}/got`), { uid: nobody, mode: '0600', size: 7 })
  await t.rejects(host.download(url, `${own}/got`, { sha256: 'ab' }), { code: 'CHECKSUM_MISMATCH' })
  t.strictSame(fs.readdirSync(own), ['got'])
  untouched()
})

t.test('removes files of killed runs when it writes the file again', async (t) => {
  const base = scratch(t)
  const host = new LocalHost(`${base}/state`)
  for (const name of ['.a.converge-4194305-1', `.a.converge-${process.ppid}-1`, '.b.converge-4194305-1'])
    fs.writeFileSync(`${base}/${name}`, '')
  host.writeFile(`${base}/a`, '')
  t.strictSame(fs.readdirSync(base).sort(), [`.a.converge-${process.ppid}-1`, '.b.converge-4194305-1', 'a'])
  // A directory with such a name, and one that is not empty.
  fs.mkdirSync(`${base}/.c.converge-4194305-2/deep`, { recursive: true })
  new LocalHost(`${base}/state`).replaceLink(`${base}/c`, 'a')
  t.notOk(fs.existsSync(`${base}/.c.converge-4194305-2`))
})

t.test('does not flush a file that something else has replaced', async (t) => {
  const base = scratch(t)
  const host = new LocalHost(`${base}/state`)
  for (const name of ['gone', 'link', 'directory', 'stays']) host.writeFile(`${base}/${name}`, '')
  for (const name of ['gone', 'link', 'directory']) fs.rmSync(`${base}/${name}`)
  fs.symlinkSync('stays', `${base}/link`)
  fs.mkdirSync(`${base}/directory`)
  host.flush()
  host.record('key', 'value')
  t.equal(host.recorded('key'), 'value')
})

t.test('only this account can read the state directory, and all can read its parents', async (t) => {
  const base = scratch(t)
  const host = new LocalHost(`${base}/var/lib/converge`)
  host.record('key', 'value')
  const modes = ['var', 'var/lib', 'var/lib/converge', 'var/lib/converge/records'].map(
    (name) => host.stat(`${base}/${name}`)?.mode,
  )
  t.strictSame(modes, ['0755', '0755', '0700', '0700'])
})

t.test('only this account can read the files in the state directory', async (t) => {
  const state = `${scratch(t)}/state`
  const host = new LocalHost(state)
  host.record('key', 'value')
  takeDeployLock(state, { by: 'ann', since: '2026-11-30T10:00:00Z', message: '' })
  const directory = new StateDirectory(state)
  directory.prepare()
  const journal = directory.openJournal('000001')
  journal.write('{}\n')
  journal.close()
  const guard = new CommandGuard(state)
  const command = guard.begin(false)
  const files = fs.readdirSync(state, { recursive: true, encoding: 'utf8' }).map((name) => `${state}/${name}`)
  const regular = files.filter((path) => fs.statSync(path).isFile())
  const modes = Object.fromEntries(regular.map((path) => [path, host.stat(path)?.mode]))
  command?.ended()
  await guard.close()
  t.equal(regular.length, 4, regular.join(' '))
  t.strictSame(modes, Object.fromEntries(regular.map((path) => [path, '0600'])))
})

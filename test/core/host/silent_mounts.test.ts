/** Tests that the host refuses what would wait for a mount that does not answer, and nothing else. */
import * as fs from 'node:fs'
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { mountAnswer, refuseSilentMounts } from '../../../core/host/network_mounts.ts'
import { SilentMounts } from '../../../core/host/silent_mounts.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'

const unreachable = { code: 'MOUNT_UNREACHABLE', message: /mounted at \/proc has not answered within 20 seconds/ }

t.test('every access at, below or through links to a silent mount is refused', async (t) => {
  const base = t.testdir({ link: t.fixture('symlink', '/proc'), file: 'text' })
  const host = new LocalHost(`${base}/state`)
  host.silentMounts.add('/proc')
  for (const path of ['/proc', '/proc/version', `${base}/link`, `${base}/link/version`]) {
    for (const read of ['stat', 'readText', 'readBytes', 'list', 'writable', 'which'] as const)
      t.throws(() => host[read](path), unreachable, `${read} ${path}`)
    for (const command of ['query', 'run'] as const)
      await t.rejects(host[command](['true'], { cwd: path }), unreachable, `${command} in ${path}`)
    t.throws(() => host.setMode(path, '0755'), unreachable)
  }
  for (const path of ['/proc', '/proc/version', `${base}/link/version`]) {
    for (const read of ['lstat', 'readLink', 'version', 'remove', 'makeDirectory'] as const)
      t.throws(() => host[read](path), unreachable, `${read} ${path}`)
    t.throws(() => host.writeFile(path, ''), unreachable)
    t.throws(() => host.replaceLink(path, 'x'), unreachable)
    t.throws(() => host.setOwner(path, 'root', undefined), unreachable)
    t.throws(() => host.rename(path, `${base}/new`), unreachable)
    t.throws(() => host.rename(`${base}/file`, path), unreachable)
    await t.rejects(host.download('http://127.0.0.1:1/', path), unreachable)
  }
  for (const path of [`${base}/link/`, `${base}/link/.`])
    t.throws(() => host.setOwner(path, 'root', undefined), unreachable, path)
  t.equal(host.readLink(`${base}/link`), '/proc', 'the link itself is not on the mount')
  t.equal(host.lstat(`${base}/link`)?.kind, 'link')
  t.equal(host.readText(`${base}/file`), 'text')
  t.equal(host.stat('/processes'), null, 'a path that begins alike')
  t.throws(() => new VirtualHost({ base: host }).stat(`${base}/link`), unreachable, 'in a dry run')
  host.remove(`${base}/link`)
  t.notOk(fs.existsSync(`${base}/link`))
})

t.test('a mount that was unmounted is refused no longer', async (t) => {
  let mounts = [{ mountPoint: '/srv/nas', type: 'nfs4', options: [] }]
  const silent = new SilentMounts(() => mounts)
  const links: Record<string, string> = { '/a': 'b/./c', '/b': '/srv/nas', '/loop': '/loop' }
  const find = (path: string) => silent.find(path, (link) => links[link] ?? null)
  t.equal(find('/srv/nas'), null)
  silent.add('/srv/nas')
  for (const path of ['/srv/nas', '/srv/nas/x/y', '/srv/./nas', '/a', '/b/x']) t.equal(find(path), '/srv/nas', path)
  for (const path of ['/', '/srv', '/srv/nas2', '/loop', '/loop/x']) t.equal(find(path), null, path)
  mounts = []
  t.equal(find('/b/x'), null)
})

t.test('the probe asks the server, and not the cache of the kernel', async (t) => {
  const requestLog: string[] = []
  const mounted = (answer: (words: readonly string[]) => number) =>
    new VirtualHost({
      commands: (argv) => {
        requestLog.push(argv.slice(4).join(' '))
        return { status: answer(argv) }
      },
    }).given('/proc/self/mounts', 'nas:/b /srv/nas nfs4 rw 0 0\n/dev/sda /mnt ext4 rw 0 0\n')
  t.equal(
    await mountAnswer(
      mounted((argv) => (argv.includes('--file-system') ? 137 : 0)),
      '/srv/nas/b',
    ),
    'silent',
  )
  t.strictSame(requestLog.splice(0), ['stat --file-system --format=%T /srv/nas/b'], 'nothing else waits')
  t.equal(
    await mountAnswer(
      mounted((argv) => (argv.includes('--file-system') ? 0 : 137)),
      '/srv/nas/b',
    ),
    'silent',
  )
  requestLog.splice(0)
  const host = mounted(() => 124)
  await refuseSilentMounts(host)
  t.strictSame(requestLog.splice(0), ['stat --file-system --format=%T /srv/nas'], 'only servers are asked')
  t.throws(() => host.lstat('/srv/nas/x'), { code: 'MOUNT_UNREACHABLE' })
  t.equal(host.lstat('/mnt'), null)
  t.equal(await mountAnswer(host, '/srv/nas/b'), 'silent')
  t.strictSame(requestLog, [], 'it is asked once')
})

t.test('a probe that SIGKILL does not end is no answer', async (t) => {
  for (const code of ['COMMAND_TIMEOUT', 'STILL_RUNNING', 'NO_PROGRAM']) {
    const commands = () => {
      throw new ConvergeError('stat did not end', { code })
    }
    const host = new VirtualHost({ commands }).given('/proc/self/mounts', 's3 /srv/s3 fuse.s3fs rw 0 0\n')
    if (code === 'NO_PROGRAM') await t.rejects(mountAnswer(host, '/srv/s3'), { code })
    else t.equal(await mountAnswer(host, '/srv/s3'), 'silent', code)
  }
})

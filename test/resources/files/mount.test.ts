/** Tests mount: the line in fstab, the directory and the mount itself. */
import fc from 'fast-check'
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { fstabField, parseFstabField } from '../../../core/text/fstab.ts'
import { mount } from '../../../resources/files/mount.ts'
import { contract, planOf } from '../../support/contract.ts'

const fstab = '/etc/fstab'
const table = '/proc/self/mounts'
const root = 'UUID=1 / ext4 errors=remount-ro 0 1\n'
const line = 'nas:/blobs /srv/blobs nfs _netdev,nofail,noatime 0 0\n'
const mounted = 'nas:/blobs /srv/blobs nfs4 rw,noatime,vers=4.2 0 0\n'
const props = { path: '/srv/blobs', device: 'nas:/blobs', type: 'nfs', options: ['_netdev', 'nofail', 'noatime'] }

/** Fakes of mount, umount and the probe of a mount: they change the table of the kernel by what /etc/fstab says. */
const commands: CommandHandler = (argv, _, host) => {
  const path = argv.at(-1) ?? ''
  if (argv[0] === 'timeout')
    return host.stat('/dead') ? { status: 1, stderr: 'Transport endpoint is not connected' } : {}
  if (argv[0] === 'chattr') return {}
  if (argv[0] === 'pgrep') return { stdout: host.readText('/clients') ?? '' }
  if (argv[0] === 'umount' && argv[1] === '-l') host.remove('/dead')
  const lines = (text: string | null) => (text ?? '').split('\n').filter(Boolean)
  const others = lines(host.readText(table)).filter((one) => one.split(' ')[1] !== path)
  const own = lines(host.readText(fstab)).find((one) => one.split(/\s+/)[1] === path)
  if (argv[0] === 'umount' && host.stat('/busy')) return { status: 32, stderr: 'umount: target is busy' }
  if (argv[0] === 'mount' && own === undefined) return { status: 1, stderr: 'no such line' }
  const [device, , , options] = own?.split(/\s+/) ?? []
  host.given(
    table,
    [...others, ...(argv[0] === 'mount' ? [`${device} ${path} nfs4 rw,${options} 0 0`] : []), ''].join('\n'),
  )
  return {}
}
const given =
  (lines: string, now = '') =>
  (host: VirtualHost) => {
    host.given(fstab, lines).given(table, now)
  }
const host = { commands }
const becomes = (content: string) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) =>
    void t.equal(host.readText(fstab), content),
})

contract(t, mount, [
  {
    name: 'adds the line, creates the directory and mounts it',
    props,
    host,
    given: given(root),
    changes: ['add /flags/0 = "noatime"', 'replace /mounted = true', 'replace /fstab = "nas:/blobs /srv/blobs nfs'],
    then(t, host) {
      t.equal(host.readText(fstab), `${root}${line}`)
      t.equal(host.stat('/srv/blobs')?.kind, 'directory')
    },
  },
  { name: 'leaves a correct mount alone', props, host, given: given(`${root}${line}`, mounted), changes: [] },
  {
    name: 'accepts another spelling of the line',
    props,
    host,
    given: given(line.replaceAll(' ', '\t'), mounted),
    changes: [],
  },
  {
    name: 'mounts what fstab lists and is not mounted',
    props,
    host,
    given: given(line),
    changes: ['add /flags/0', 'replace /mounted'],
  },
  {
    name: 'replaces the line at its position, and remounts',
    props: { ...props, options: ['ro', 'noexec'] },
    host,
    given: given(`${line}${root}`, mounted),
    ...becomes(`nas:/blobs /srv/blobs nfs ro,noexec 0 0\n${root}`),
  },
  {
    name: 'escapes a path with a blank',
    props: { ...props, path: '/srv/my blobs' },
    host: { commands: () => ({}) },
    given: given('', 'x /srv/my\\040blobs nfs rw,noatime 0 0\n'),
    ...becomes(line.replace('/srv/blobs', '/srv/my\\040blobs')),
  },
  {
    name: 'unmounts and removes the line',
    props: { path: '/srv/blobs', absent: true },
    host,
    given: given(`${root}${line}`, mounted),
    ...becomes(root),
  },
  {
    name: 'does nothing if there is nothing to unmount or remove',
    props: { path: '/srv/blobs', absent: true },
    host,
    given: given(root),
    changes: [],
  },
  {
    name: 'fails to unmount a directory in use',
    props: { path: '/srv/blobs', absent: true },
    host,
    given(host) {
      given(line, mounted)(host)
      host.given('/busy', '')
    },
    fails: /cannot unmount.*fuser -vm.*is busy/s,
  },
  {
    name: 'mounts a disconnected mount again',
    props,
    host,
    given(host) {
      given(line, mounted)(host)
      host.given('/dead', '')
    },
    changes: ['replace /connected = true'],
  },
  {
    name: 'leaves the connection of a GlusterFS mount to its client',
    props: { ...props, type: 'glusterfs' },
    host,
    given(host) {
      given(line.replace(' nfs ', ' glusterfs '), mounted.replace('nfs4', 'fuse.glusterfs'))(host)
      host.given('/dead', '').given('/clients', '7 /usr/sbin/glusterfs --volfile-id=/blobs /srv/blobs\n')
    },
    changes: [],
  },
  {
    name: 'mounts GlusterFS again if its client has ended',
    props: { ...props, type: 'glusterfs' },
    host,
    given(host) {
      given(line.replace(' nfs ', ' glusterfs '), mounted.replace('nfs4', 'fuse.glusterfs'))(host)
      host.given('/dead', '').given('/clients', '8 /usr/sbin/glusterfs --volfile-id=/other /srv/other\n')
    },
    changes: ['replace /connected = true'],
  },
  {
    name: 'seals a directory that has only empty directories',
    props: { ...props, sealed: true },
    host,
    given(host) {
      given(line)(host)
      host.given('/srv/blobs/blobstorage/tmp', null)
    },
    changes: ['add /flags/0', 'replace /mounted'],
    then(t, host) {
      t.strictSame(host.list('/srv/blobs'), [])
      t.match(host.stat('/srv/blobs'), { mode: '0555', uid: 0 })
    },
  },
  {
    name: 'fails if the mount would hide files',
    props: { ...props, sealed: true },
    host,
    given(host) {
      given(line)(host)
      host.given('/srv/blobs/blobstorage/blob', 'kept')
    },
    fails: /has files that a mount would hide, such as \/srv\/blobs\/blobstorage\/blob.*move them away/,
  },
  {
    name: 'fails if fstab has two lines for the path',
    props,
    host,
    given: given(`${line}${line}`),
    fails: /several lines for \/srv\/blobs: line 1, 2.*remove all lines/,
  },
])

t.test('refuses values that a line of fstab cannot contain', async (t) => {
  for (const wrong of [
    { options: ['a,b'] },
    { options: ['a b'] },
    { options: [] },
    { device: 'a\nb' },
    { type: 'a b' },
  ])
    t.throws(() => planOf((r) => mount(r, { ...props, ...wrong })), JSON.stringify(wrong))
  const { resources } = planOf((r) => mount(r, { ...props, path: '/srv/' }))
  t.match(resources, [{ key: '/srv' }], 'one spelling of a path')
})

t.test('reads back any field that it writes', async () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (/\0|\p{Surrogate}/u.test(text)) return
      const field = fstabField(text)
      return (
        !/[\s#]/.test(field.replace(/[^\0-\x7f]/g, '')) && (/[^\0-\x7f]/.test(text) || parseFstabField(field) === text)
      )
    }),
  )
})

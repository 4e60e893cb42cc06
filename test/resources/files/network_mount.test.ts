/** Tests the checks of a directory on a network mount. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { network_mount } from '../../../resources/files/network_mount.ts'
import { contract } from '../../support/contract.ts'

const props = { attribute: 'plone_instances.nfs_blobs', path: '/srv/blobs' }
const disk = '/dev/sda / ext4 rw 0 0\n'
const mounted = `${disk}nas:/b /srv/blobs nfs4 rw 0 0\n`
const withMount = (host: VirtualHost) => host.given('/proc/self/mounts', mounted)

/** Answers the probe of the mount. */
const probe =
  (status: number, stderr = ''): CommandHandler =>
  (argv) =>
    argv[0] === 'timeout' ? { status, stderr } : null
const answering = { commands: probe(0) }
const refused = /plone_instances\.nfs_blobs is set, but no network file system is mounted at \/srv\/blobs.*mount it/

contract(t, network_mount, [
  {
    name: 'fails if nothing is mounted',
    props,
    given: (host) => void host.given('/proc/self/mounts', disk),
    fails: refused,
  },
  { name: 'fails if the list of mounts cannot be read', props, fails: refused },
  {
    name: 'fails if a local disk is mounted at the path',
    props,
    given: (host) => void host.given('/proc/self/mounts', `${disk}/dev/sdb /srv/blobs xfs rw 0 0\n`),
    fails: refused,
  },
  {
    name: 'fails if another directory is mounted',
    props,
    host: answering,
    given: (host) => void host.given('/proc/self/mounts', `${disk}nas:/b /srv/blobs2 nfs4 rw 0 0\n`),
    fails: refused,
  },
  ...['nfs', 'nfs4', 'fuse.glusterfs', 'cifs'].map((type) => ({
    name: type,
    props,
    host: answering,
    given: (host: { given(path: string, content: string): unknown }) =>
      void host.given('/proc/self/mounts', `${disk}nas:/b /srv/blobs ${type} rw 0 0\n`),
    changes: [],
  })),
  {
    name: 'accepts a link to a directory on a mount with a blank in its path',
    props,
    host: answering,
    given: (host) =>
      void host
        .given('/mnt/the nas/blobs', null)
        .given('/srv/blobs', { link: '/mnt/the nas/blobs' })
        .given('/proc/self/mounts', `${disk}nas:/b /mnt/the\\040nas nfs4 rw 0 0\n`),
    changes: [],
  },
  {
    name: 'fails if the server does not answer',
    props,
    host: { commands: probe(137) },
    given: (host) => void withMount(host),
    fails: /MOUNT_UNREACHABLE|mounted at \/srv\/blobs has not answered within 20 seconds.*start the server/,
  },
  {
    name: 'fails if the program of the mount has ended',
    props,
    host: { commands: probe(1, 'stat: cannot statx: Transport endpoint is not connected') },
    given: (host) => void withMount(host),
    fails: /mounted at \/srv\/blobs is not connected to its server.*start the server/,
  },
  {
    name: 'accepts a directory of the account',
    props: { ...props, account: 'root' },
    host: answering,
    given: (host) => void withMount(host).given('/srv/blobs', null),
    changes: [],
  },
  {
    name: 'fails if the directory belongs to another account',
    props: { ...props, account: 'deploy' },
    host: answering,
    given: (host) => void withMount(host).given('/srv/blobs', null),
    fails: /\/srv\/blobs on the mounted file system belongs to root, not to deploy.*id -u deploy/,
  },
  {
    name: 'fails if the server does not have the directory',
    props: { ...props, account: 'deploy' },
    host: { commands: probe(1) },
    given: (host) => void withMount(host),
    fails: /the mounted file system has no directory \/srv\/blobs.*create it on the server/,
  },
])

/** Defines the attributes of the kernel NFS server of the role nfs-server. */
import { field, group, orAbsent, orNull } from './fields.ts'
import { flag, integer, port } from './values.ts'

const version = (number: number) =>
  field(orNull(flag()), null, `Whether the server speaks NFS version ${number}; null leaves it to the distribution.`)

export const nfs = orAbsent(() =>
  group(
    'The kernel NFS server of the role nfs-server.',
    {
      port: group(
        'Fixed ports of its daemons, for firewalls.',
        {
          statd: field(port(), 32_765, 'Port of rpc.statd.'),
          statd_out: field(port(), 32_766, 'Port that rpc.statd sends from.'),
          mountd: field(port(), 32_767, 'Port of rpc.mountd.'),
          lockd: field(port(), 32_768, 'Port of the lock manager.'),
        },
        { open: true, unusedRest: 'set further ports in a file of your own in /etc/nfs.conf.d' },
      ),
      threads: field(integer(1), 8, 'Threads of the server.'),
      v2: version(2),
      v3: version(3),
      v4: version(4),
    },
    {
      cookbook: 'nfs',
      open: true,
      unusedRest: 'set further options in a file of your own in /etc/nfs.conf.d',
    },
  ),
)

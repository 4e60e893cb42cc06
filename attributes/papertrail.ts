/** Where the role papertrail sends the log of the host. */
import { field, group, map, orAbsent, orNull, unimplemented } from './fields.ts'
import { hostAddress, line, path, pattern } from './texts.ts'
import { integer, port } from './values.ts'

const size = () => pattern(/^\d+[kmgKMG]?$/, 'a size such as 100M')
const fileName = () => pattern(/^[\w.-]+$/, 'a file name of letters, digits, `.`, `_` and `-`')
const hostName = () => pattern(/^[\w.-]*$/, 'a host name')
const tag = () => pattern(/^[\w./-]{1,31}$/, 'a word of at most 31 letters, digits, `.`, `_`, `-` and `/`')
const url = () => pattern(/^https:\/\/\S+$/, 'an address that begins with https://')

export const papertrail = orAbsent(() =>
  group(
    'Where the role papertrail sends the log of the host.',
    {
      remote_host: field(hostAddress(), 'logs.papertrailapp.com', 'Host that receives the log, through TLS.'),
      remote_port: field(orNull(port()), null, 'Port of that host; the role requires it.'),
      cert_file: field(
        path(),
        '/etc/ssl/certs/ca-certificates.crt',
        'Certificates that the host is checked against; those of the system by default.',
      ),
      cert_url: field(
        orNull(url()),
        null,
        'Address from which `cert_file` is fetched, once; null for a file that exists.',
      ),
      permitted_peer: field(line(), '*.papertrailapp.com', 'Name that the certificate of the host must have.'),
      hostname_name: field(hostName(), '', 'Name under which this host logs; empty for its own.'),
      hostname_cmd: unimplemented('', 'Command that prints that name.', {
        unused: 'set papertrail.hostname_name, for each host or layer in its own attributes',
      }),
      resume_retry_count: field(integer(-1), -1, 'How often a failed transfer is tried again; -1 for no limit.'),
      queue_disk_space: field(size(), '100M', 'Disk space for messages while the host does not answer.'),
      queue_size: field(integer(1), 100_000, 'Messages in memory, before they go to disk.'),
      queue_file_name: field(fileName(), 'papertrailqueue', 'Name of the queue on disk, in /var/spool/rsyslog.'),
      watch_files: field(
        map(tag()),
        {},
        'Further log files to send: path to tag. A path may contain `*`, and replaces the tag of a log that the role watches anyway.',
      ),
    },
    {
      cookbook: 'papertrail',
      open: true,
      unusedRest: 'remove it: the role papertrail has no such setting',
    },
  ),
)

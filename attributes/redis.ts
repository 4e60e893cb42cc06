/** Defines the attributes of the Redis server of the role broker. */
import { field, group, orNull, unimplemented } from './fields.ts'
import { configuredPath, line, listenAddresses, ownDirectory, pattern } from './texts.ts'
import { choice, integer, port } from './values.ts'

const fileName = () => pattern(/^[\w.-]+$/, 'a file name of letters, digits, ".", "_" and "-"')

export const redis = () =>
  group(
    'The Redis server of the role broker.',
    {
      config: group(
        'Settings of redis.conf.',
        {
          listen_addr: field(
            orNull(listenAddresses()),
            null,
            'Addresses Redis listens on, with spaces between them. Null for loopback, and also the private address of the host if the stack has other hosts.',
          ),
          listen_port: field(port(), 6379, 'Port Redis listens on. The clients take `plone_instances.broker.port`.'),
          requirepass: field(
            orNull(line()),
            null,
            'Password that clients must send. Required if Redis listens on other addresses than loopback; "" for none.',
            { sensitive: true, mirrors: 'redis.conf: requirepass' },
          ),
          dir: field(ownDirectory(configuredPath()), '/redis', 'Directory Redis keeps its data in.'),
          dbfilename: field(fileName(), 'dump.rdb', 'Name of the file with its data.'),
          databases: field(integer(1), 16, 'Number of databases.'),
          timeout: field(integer(0), 300, 'When idle connections are closed; 0 for never.', { unit: 'seconds' }),
          loglevel: field(
            choice(['debug', 'verbose', 'notice', 'warning']),
            'warning',
            'Least severe messages of its log.',
          ),
          appendonly: field(
            choice(['yes', 'no']),
            'no',
            'Appends each change to a file, so that a crash loses at most a second.',
          ),
          appendfsync: field(choice(['always', 'everysec', 'no']), 'everysec', 'When that file is flushed.', {
            needs: 'redis.config.appendonly',
          }),
          rdbcompression: field(choice(['yes', 'no']), 'yes', 'Compresses the file with its data.'),
          logfile: unimplemented('stdout', 'File of its log.', {
            unused: 'remove it: the log is /var/log/redis/redis-server.log, which the package rotates',
          }),
          daemonize: unimplemented('yes', 'Runs in the background.', { unused: 'remove it: systemd decides' }),
          pidfile: unimplemented('/var/run/redis.pid', 'File with its process id.', {
            unused: 'remove it: the unit of the package names the file',
          }),
          vm: group(
            'Virtual memory of old Redis versions.',
            {
              vm_swap_file: field(configuredPath(), '/redis/redis.swap', 'File that values were swapped out to.', {
                unused: 'remove it: Redis has had no virtual memory since version 2.6',
              }),
            },
            { open: true, unused: 'remove it: Redis has had no virtual memory since version 2.6' },
          ),
        },
        { open: true, unusedRest: 'remove it: redis.conf has the settings of this group only' },
      ),
      user: unimplemented('redis', 'Account that runs it.', { unused: 'remove it: the package runs Redis as redis' }),
      group: unimplemented('redis', 'Group of that account.', {
        unused: 'remove it: the package runs Redis as redis',
      }),
    },
    { cookbook: 'redis', open: true },
  )

/** The Redis server, broker of Celery. */
import { field, group, kept } from './fields.ts'
import { line, path } from './texts.ts'

export const redis = () =>
  group(
    'The Redis server.',
    {
      config: group(
        'Settings of redis.conf.',
        {
          listen_addr: field(line(), '0.0.0.0', 'Address Redis listens at.'),
          dir: field(path(), '/redis', 'Directory Redis keeps its data in.'),
          listen_port: kept('6379', 'Port Redis listens at.'),
          dbfilename: kept('dump.rdb', 'Name of the file with its data.'),
          databases: kept(16, 'Number of databases.'),
          timeout: kept(300, 'When idle connections are closed.', { unit: 'seconds' }),
          loglevel: kept('warning', 'Least severe messages of its log.'),
          logfile: kept('stdout', 'File of its log.'),
          daemonize: kept('yes', 'Runs in the background.'),
          pidfile: kept('/var/run/redis.pid', 'File with its process id.'),
          appendonly: kept('no', 'Appends each change to a file.'),
          appendfsync: kept('everysec', 'When that file is flushed.'),
          rdbcompression: kept('yes', 'Compresses the file with its data.'),
          vm: group(
            'Virtual memory of old Redis versions.',
            { vm_swap_file: field(path(), '/redis/redis.swap', 'File that values are swapped out to.') },
            { open: true },
          ),
        },
        { open: true },
      ),
      user: kept('redis', 'Account that runs it.'),
      group: kept('redis', 'Group of that account.'),
    },
    {
      cookbook: 'redis',
      open: true,
      unused:
        'install redis-server with converge.packages and the role base, set it up in /etc/redis/redis.conf, and name it in plone_instances.broker',
    },
  )

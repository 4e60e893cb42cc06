/** The Redis server, broker of Celery. */
import { field, group, line, path } from './fields.ts'

export const redis = () =>
  group(
    'The Redis server.',
    {
      config: group(
        'Settings of redis.conf.',
        {
          listen_addr: field(line(), '0.0.0.0', 'Address Redis listens at.'),
          dir: field(path(), '/redis', 'Directory Redis keeps its data in.'),
          vm: group(
            'Virtual memory of old Redis versions.',
            { vm_swap_file: field(path(), '/redis/redis.swap', 'File that values are swapped out to.') },
            { open: true },
          ),
        },
        { open: true },
      ),
    },
    {
      cookbook: 'redis',
      open: true,
      unused:
        'install redis-server with converge.packages and the role base, set it up in /etc/redis/redis.conf, and name it in plone_instances.broker',
    },
  )

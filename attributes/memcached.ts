/** Defines the attributes of the memcached server of the role memcached. */
import { field, group, orAbsent, orNull } from './fields.ts'
import { accountName, listenAddresses } from './texts.ts'
import { integer, port } from './values.ts'

export const memcached = orAbsent(() =>
  group(
    'The memcached server of the role memcached.',
    {
      memory: field(integer(1), 512, 'Maximum memory for stored data.', { unit: 'megabytes' }),
      port: field(port(), 11_211, 'Port it listens on. RelStorage takes 11211 of the layer memcached.'),
      user: field(
        accountName(),
        'memcache',
        'Account that runs it; the cookbook has nobody, which other programs share.',
      ),
      max_connections: field(integer(1), 4096, 'Connections it accepts at a time.'),
      listen_addr: field(
        orNull(listenAddresses()),
        null,
        'Addresses it listens on, with spaces between them. Null for loopback, and also the private address of the host if the stack has other hosts.',
        { mirrors: 'memcached(1): -l' },
      ),
    },
    { cookbook: 'memcached', open: true },
  ),
)

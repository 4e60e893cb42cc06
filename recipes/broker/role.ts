/** Defines the role broker: Redis, through which Zope clients send tasks to Celery workers. */
import type { Handle } from '../../core/model/resource.ts'
import { redisText } from '../../core/text/redis_conf.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'
import { isLoopbackOnly, localAddress, stackAddresses } from '../site/listen_addresses.ts'

const name = 'redis-server'
const account = { owner: 'redis', group: 'redis' } as const
const dropInDirectory = `/etc/systemd/system/${name}.service.d`
const log = '/var/log/redis/redis-server.log'
const header = '# Written by converge, changes are overwritten.'

function broker(node: SiteNode): PackagedService {
  const { config } = node.redis
  const addresses = stackAddresses(node, config.listen_addr, 'redis.config.listen_addr')
  requirePassword(addresses, config.requirepass)
  return {
    name,
    packageName: name,
    program: name,
    log,
    ready: answersPing(localAddress(addresses), config),
    files(r) {
      directory(r, { path: config.dir, parents: true, mode: '0750', ...account })
      const content = renderConfiguration(config, addresses)
      // It contains the password.
      const changed: Handle[] = [file(r, { path: '/etc/redis/redis.conf', content, mode: '0640', ...account })]
      if (node.facts.init !== 'systemd') return changed
      directory(r, { path: dropInDirectory })
      // The package's unit lets Redis write below /var/lib/redis only.
      const unit = file(r, {
        path: `${dropInDirectory}/converge.conf`,
        content: `${header}\n[Service]\nReadWritePaths=-${config.dir}\n`,
        mode: '0644',
      })
      execute(r, { name: `systemd reads the unit of ${name}`, command: ['systemctl', 'daemon-reload'], when: [unit] })
      return [...changed, unit]
    },
  }
}

/** @throws INVALID_ATTRIBUTE for a server that other hosts can reach, without a password */
function requirePassword(addresses: readonly string[], password: string | null): void {
  if (password !== null || isLoopbackOnly(addresses)) return
  const values = new AttributeWriter()
  values.refuse(
    'redis.config.requirepass',
    `is not set, and Redis would listen on ${addresses.join(', ')} without a password`,
    'set it to a secret; with "" every host that reaches the port can read and change all tasks',
  )
  values.check()
}

type Config = SiteNode['redis']['config']

function renderConfiguration(config: Config, addresses: readonly string[]): string {
  const { requirepass, listen_port, dir, dbfilename, databases, timeout, loglevel } = config
  const { appendonly, appendfsync, rdbcompression } = config
  const lines = [
    `bind ${addresses.join(' ')}`,
    `port ${listen_port}`,
    // The operator has decided about the password.
    `protected-mode ${requirepass === null ? 'yes' : 'no'}`,
    ...(requirepass ? [`requirepass ${redisText(requirepass)}`] : []),
    'daemonize yes',
    'pidfile /run/redis/redis-server.pid',
    `loglevel ${loglevel}`,
    `logfile ${log}`,
    `databases ${databases}`,
    `timeout ${timeout}`,
    'save 900 1',
    'save 300 10',
    'save 60 10000',
    `rdbcompression ${rdbcompression}`,
    `dbfilename ${dbfilename}`,
    `dir ${redisText(dir)}`,
    `appendonly ${appendonly}`,
    `appendfsync ${appendfsync}`,
  ]
  return `${header}\n${lines.join('\n')}\n`
}

/** Redis accepts connections while it still loads its data, and then answers PING with an error. */
function answersPing(host: string, { listen_port, requirepass }: Config): ReadyProps {
  const ping = `test "$(redis-cli -h "$1" -p "$2" ping)" = PONG`
  return {
    kind: 'command',
    title: 'redis-cli ping',
    command: ['sh', '-c', ping, 'sh', host, String(listen_port)],
    environment: requirepass ? { REDISCLI_AUTH: requirepass } : {},
  }
}

export default packagedServiceRole('broker', 'Redis, the broker of Celery', broker)

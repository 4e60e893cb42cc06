/** Defines the role agent: the agent of this host as a service of systemd. The host must be enrolled. */
import { dirname } from 'node:path'
import { ConvergeError } from '../../core/model/errors.ts'
import { systemdCommand } from '../../core/text/systemd.ts'
import { systemd_unit } from '../../resources/services/systemd_unit.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'

const name = 'converge-agent'

function agent(node: SiteNode): PackagedService {
  const { program, directory } = node.agent
  return {
    ...{ name, packageName: null, program: null },
    ready: { kind: 'uptime' },
    files(r) {
      if (node.facts.init !== 'systemd')
        throw new ConvergeError('the role agent requires systemd', {
          code: 'AGENT_SETTINGS',
          hint: 'use a host with systemd, or start converge agent run by another supervisor',
          usage: true,
        })
      // Node may lie beside the program, such as /opt/node22/bin.
      const own = program.map((word) => dirname(word))
      const system = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
      return [
        systemd_unit(r, {
          name: `${name}.service`,
          content: {
            Unit: { Description: 'Agent of converge', Wants: 'network-online.target', After: 'network-online.target' },
            Service: {
              ExecStart: systemdCommand([...program, 'agent', 'run', '--state-dir', directory]),
              Environment: [
                'HOME=/root',
                `PATH=${[...new Set([...own, ...system])].join(':')}`,
                // Less memory: 59 instead of 71 MB. Commands do not inherit them.
                'NODE_OPTIONS=--max-semi-space-size=1',
                'MALLOC_ARENA_MAX=1',
                'UV_THREADPOOL_SIZE=1',
              ],
              WorkingDirectory: '/',
              Restart: 'always',
              RestartSec: 2,
              // Commands are processes of their own, and continue while the agent restarts.
              KillMode: 'process',
              UMask: '0077',
            },
            Install: { WantedBy: 'multi-user.target' },
          },
        }),
      ]
    },
    remove: (r) => void systemd_unit(r, { name: `${name}.service`, absent: true }),
  }
}

export default packagedServiceRole('agent', 'The agent by which converge reaches the host without SSH', agent)

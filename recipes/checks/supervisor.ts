/** Whether the supervisord that keeps an app's programs running can be reached. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { isDown, SupervisorReader } from '../../resources/supervisor/client.ts'
import type { AppLayout } from '../releases/layout.ts'
import { missing, ok } from './findings.ts'

export function supervisorCheck(host: HostReader, { supervisor, current }: AppLayout): HostCheck {
  const { socket } = supervisor
  return {
    what: 'running supervisord',
    async run() {
      try {
        const programs = await new SupervisorReader(host, socket).getAllProcessInfo()
        return ok(`has ${programs.length} ${programs.length === 1 ? 'program' : 'programs'} (${socket})`)
      } catch (error) {
        if (!isDown(error)) throw error
      }
      if (host.stat(current) === null) return ok('not before the first setup, which starts it')
      return missing(`none at ${socket}`, 'converge start')
    },
  }
}

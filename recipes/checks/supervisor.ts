/** Checks that an app's supervisord can be reached, and that no other file defines its programs. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { isSupervisorDown, SupervisorReader } from '../../resources/supervisor/client.ts'
import { findConflict } from '../../resources/supervisor/conflicting_definitions.ts'
import type { App } from '../app/app.ts'
import { missing, ok } from './findings.ts'

export function supervisorCheck(host: HostReader, { supervisor, current }: App): HostCheck {
  const { socket } = supervisor
  return {
    what: 'running supervisord',
    async run() {
      try {
        const programs = await new SupervisorReader(host, socket).getAllProcessInfo()
        return ok(`has ${programs.length} ${programs.length === 1 ? 'program' : 'programs'} (${socket})`)
      } catch (error) {
        if (!isSupervisorDown(error)) throw error
      }
      if (host.stat(current) === null) return ok('not before the first setup, which starts it')
      return missing(`none at ${socket}`, 'converge start')
    },
  }
}

/** @param names of the programs whose configuration the role writes */
export function shadowCheck(host: HostReader, { supervisor }: App, names: readonly string[]): HostCheck {
  return {
    what: 'programs of supervisord',
    run() {
      for (const name of names) {
        const found = findConflict(host, { name, confDir: supervisor.confDir })
        if (found !== null) return missing(found.message, found.hint)
      }
      return ok('no other file defines one of ours')
    },
  }
}

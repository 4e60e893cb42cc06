/** Checks that the programs and files that a role needs are installed, and names their packages. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { install, missing, ok } from './findings.ts'

/** @param program a name on the PATH, or a full path */
export function programCheck(host: HostReader, program: string, packageName: string): HostCheck {
  return {
    what: program,
    run() {
      const path = host.which(program)
      if (path !== null) return ok(path)
      const where = program.includes('/') ? 'does not exist or cannot be run' : 'not on the PATH'
      return missing(where, install(host, packageName))
    },
  }
}

/** Checks for a file that a role needs but does not run. */
export function fileCheck(host: HostReader, path: string, packageName: string): HostCheck {
  return {
    what: path,
    run: () => (host.stat(path) === null ? missing('does not exist', install(host, packageName)) : ok('exists')),
  }
}

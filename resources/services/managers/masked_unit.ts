/** Refuses a start of a masked unit in the plan as well: systemd itself refuses it only in the run. */
import type { HostReader } from '../../../core/host/types.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import type { ServiceStatus } from './types.ts'

/** Directories of units, see systemd.unit(5). A link to /dev/null in one of them masks a unit. */
const unitDirectories = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
]

export function unitName(name: string): string {
  return /\.(service|socket|timer|path|mount|target)$/.test(name) ? name : `${name}.service`
}

/**
 * Refuses to start, restart, reload or enable a masked unit. A unit that an earlier step unmasks counts as unmasked.
 * @throws SERVICE_DOWN
 */
export function refuseMasked(host: HostReader, name: string, { masked }: ServiceStatus, verb = 'start'): void {
  const unit = unitName(name)
  const isMasked = (directory: string) => {
    const path = `${directory}/${unit}`
    return host.lstat(path)?.kind === 'link' && host.readLink(path) === '/dev/null'
  }
  if (masked !== true || !unitDirectories.some(isMasked)) return
  throw new ConvergeError(`systemd refuses to ${verb} it: ${unit} is masked`, {
    code: 'SERVICE_DOWN',
    hint: `run systemctl unmask ${unit}, or set action to stopped`,
  })
}

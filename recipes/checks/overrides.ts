/** Finds files of others that override or extend a file of converge, because the service reads both. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { parseSections } from '../../resources/supervisor/sections.ts'
import { missing, ok } from './findings.ts'

export interface Override {
  readonly message: string
  readonly hint: string
}

/** Finds a pool of the same name in another file of php-fpm's directory: php-fpm merges the two. */
export function poolOverride(host: HostReader, config: string, pool: string): Override | null {
  const directory = config.slice(0, config.lastIndexOf('/'))
  for (const name of host.list(directory)) {
    const path = `${directory}/${name}`
    if (!name.endsWith('.conf') || path === config || host.stat(path)?.kind !== 'file') continue
    if (!parseSections(host.readText(path) ?? '').some((section) => section.type === pool)) continue
    return {
      message: `pool ${pool} of php-fpm is defined twice: in ${config}, and in ${path}`,
      hint: `remove [${pool}] from ${path}: php-fpm merges both pools, and the last file wins`,
    }
  }
  return null
}

/** The directories of drop-ins, without those of packages. */
const unitDirectories = ['/etc/systemd/system', '/run/systemd/system']

/** Finds a drop-in that sets the command of a unit after ours: systemd reads drop-ins in the order of their names. */
export function dropInOverride(host: HostReader, unit: string, own: string): Override | null {
  for (const directory of unitDirectories.map((one) => `${one}/${unit}.d`))
    for (const name of host.list(directory)) {
      const path = `${directory}/${name}`
      if (!name.endsWith('.conf') || name <= own || host.stat(path)?.kind !== 'file') continue
      if (!/^\s*ExecStart\s*=/m.test(host.readText(path) ?? '')) continue
      return {
        message: `${path} sets ExecStart of ${unit} again, after ${unitDirectories[0]}/${unit}.d/${own}`,
        hint: `remove ExecStart from ${path}: systemd would run its command`,
      }
    }
  return null
}

/** @throws OVERRIDDEN, before the first change */
export function refuseOverride(found: Override | null): void {
  if (found !== null) throw new ConvergeError(found.message, { code: 'OVERRIDDEN', hint: found.hint, usage: true })
}

/** Reports an override in `doctor`. */
export function overrideCheck(what: string, find: () => Override | null): HostCheck {
  return {
    what,
    run() {
      const found = find()
      return found === null ? ok('no other file overrides ours') : missing(found.message, found.hint)
    },
  }
}

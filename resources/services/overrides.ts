/** Finds files of others that override or extend a file of converge, because the service reads both. */
import type { HostReader } from '../../core/host/types.ts'
import { defineQuery, type Query } from '../../core/model/query.ts'
import { parseSections } from '../supervisor/sections.ts'

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
export function dropInOverride(host: HostReader, unit: string, ownPath: string): Override | null {
  for (const directory of unitDirectories.map((one) => `${one}/${unit}.d`))
    for (const name of host.list(directory)) {
      const path = `${directory}/${name}`
      if (!name.endsWith('.conf') || name <= ownPath || host.stat(path)?.kind !== 'file') continue
      if (!/^\s*ExecStart\s*=/m.test(host.readText(path) ?? '')) continue
      return {
        message: `${path} sets ExecStart of ${unit} again, after ${unitDirectories[0]}/${unit}.d/${ownPath}`,
        hint: `remove ExecStart from ${path}: systemd would run its command`,
      }
    }
  return null
}

/** A pool of the same name in another file of php-fpm's directory. */
export function poolOverrideOf(config: string, pool: string): Query<Override | null> {
  return defineQuery({
    name: `the pools of php-fpm beside ${config}`,
    read: (host) => poolOverride(host, config, pool),
  })
}

/** A drop-in that sets the command of a unit after ours. */
export function dropInOverrideOf(unit: string, ownPath: string): Query<Override | null> {
  return defineQuery({ name: `the drop-ins of ${unit}`, read: (host) => dropInOverride(host, unit, ownPath) })
}

/** Imitates systemctl on a host in memory: units that run or not, and that start with the host or not. */
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { unitValues } from '../../core/text/unit_file.ts'
import { unitName } from '../../resources/services/managers/masked_unit.ts'

type Answer = Partial<CommandResult>

/** State of a service. */
export type ServiceState = 'running' | 'stopped' | 'failed'

/** A service at the start of a test. */
export interface GivenService {
  /** Default: running. */
  readonly state?: ServiceState | undefined
  /** Whether it starts with the host; default true. */
  readonly enabled?: boolean | undefined
}

interface Unit {
  state: ServiceState
  enabled: boolean
  /** Whether it has had a file of its own. It ends to exist with that file. */
  hasFile: boolean
  /** Grows with each start, so that a restart is another process. */
  pid: number
}

const unitDirectories = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system', '/run/systemd/system']
const activeStates: Readonly<Record<ServiceState, string>> = {
  running: 'active',
  stopped: 'inactive',
  failed: 'failed',
}

export class Units {
  private readonly units = new Map<string, Unit>()
  private lastPid = 100

  add(name: string, { state = 'running', enabled = true }: GivenService): void {
    this.units.set(unitName(name), { state, enabled, hasFile: false, pid: state === 'running' ? this.lastPid++ : 0 })
  }

  has(name: string): boolean {
    return this.units.has(unitName(name))
  }

  /** @returns null for a unit that does not exist */
  stateOf(name: string, host: VirtualHost): GivenService | null {
    const unit = this.find(unitName(name), host)
    return unit === undefined ? null : { state: unit.state, enabled: unit.enabled }
  }

  /** @param args words after `systemctl` */
  systemctl(args: readonly string[], host: VirtualHost): Answer {
    const [verb = '', ...words] = args.filter((arg) => !arg.startsWith('-'))
    if (verb === 'show') return { stdout: this.show(words, host) }
    if (verb === 'is-active') return this.isActive(words, host)
    if (verb === 'daemon-reload' || verb === 'reset-failed') return {}
    for (const word of words) {
      const unit = this.find(unitName(word), host)
      if (unit === undefined)
        return { status: 5, stderr: `Failed to ${verb} ${unitName(word)}: Unit ${unitName(word)} not found.` }
      if (verb === 'enable' || verb === 'disable') link(unitName(word), verb, host)
      this.act(verb, unit, args.includes('--now'))
    }
    return {}
  }

  private act(verb: string, unit: Unit, now: boolean): void {
    if (verb === 'enable' || verb === 'disable') unit.enabled = verb === 'enable'
    const starts = verb === 'start' || verb === 'restart' || (verb === 'enable' && now)
    if (starts && (verb === 'restart' || unit.state !== 'running'))
      Object.assign(unit, { state: 'running', pid: this.lastPid++ })
    if (verb === 'stop' || (verb === 'disable' && now)) Object.assign(unit, { state: 'stopped', pid: 0 })
  }

  private isActive(words: readonly string[], host: VirtualHost): Answer {
    const states = words.map((word) => activeStates[this.find(unitName(word), host)?.state ?? 'stopped'] ?? '')
    return { status: states.every((state) => state === 'active') ? 0 : 3, stdout: `${states.join('\n')}\n` }
  }

  /** A unit file that a recipe wrote is a unit too. */
  private find(name: string, host: VirtualHost): Unit | undefined {
    const hasFile = fileOf(name, host) !== null
    const known = this.units.get(name)
    if (known !== undefined && !hasFile && known.hasFile && known.state !== 'running') {
      this.units.delete(name)
      return undefined
    }
    if (known === undefined && !hasFile) return undefined
    const unit: Unit = known ?? { state: 'stopped', enabled: false, hasFile, pid: 0 }
    if (hasFile) unit.hasFile = true
    this.units.set(name, unit)
    return unit
  }

  private show(patterns: readonly string[], host: VirtualHost): string {
    const names = patterns.flatMap((pattern) =>
      pattern.startsWith('*') ? [...this.units.keys()].filter((name) => name.endsWith(pattern.slice(1))) : [pattern],
    )
    return names.map((name) => block(name, this.find(name, host))).join('\n\n')
  }
}

/** Returns the path of a unit file; null if the unit has none. */
function fileOf(name: string, host: VirtualHost): string | null {
  return unitDirectories.map((directory) => `${directory}/${name}`).find((path) => host.stat(path) !== null) ?? null
}

/** Makes or removes the links that the section [Install] declares. */
function link(name: string, verb: 'enable' | 'disable', host: VirtualHost): void {
  const file = fileOf(name, host)
  const units = '/etc/systemd/system'
  const text = file === null ? '' : (host.readText(file) ?? '')
  const words = (option: string) => unitValues([text], 'Install', option).flatMap((value) => value.split(/\s+/))
  const links = [
    ...words('WantedBy').map((target) => `${units}/${target}.wants/${name}`),
    ...words('RequiredBy').map((target) => `${units}/${target}.requires/${name}`),
    ...words('UpheldBy').map((target) => `${units}/${target}.upholds/${name}`),
    ...words('Alias').map((alias) => `${units}/${alias}`),
  ]
  for (const path of links)
    if (verb === 'disable') host.remove(path)
    else if (file !== null && host.lstat(path) === null) host.given(path, { link: file })
}

function block(name: string, unit: Unit | undefined): string {
  const running = unit?.state === 'running'
  const fields = {
    Id: name,
    Names: name,
    LoadState: unit === undefined ? 'not-found' : 'loaded',
    ActiveState: activeStates[unit?.state ?? 'stopped'],
    SubState: running ? 'running' : 'dead',
    UnitFileState: unit === undefined ? '' : unit.enabled ? 'enabled' : 'disabled',
    MainPID: unit?.pid ?? 0,
    InvocationID: running ? `${unit.pid}`.padStart(32, '0') : '',
    Result: unit?.state === 'failed' ? 'exit-code' : 'success',
    Type: 'notify',
    Job: '',
  }
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')
}

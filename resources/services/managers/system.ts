/** Controls services of the host: systemd's units, or the init scripts if systemd does not run. */
import type { CommandOptions, Host, HostReader } from '../../../core/host/types.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { type Duration, milliseconds, minutes } from '../../../core/model/units.ts'
import { markJournal, readJournal } from './journal.ts'
import { unitName } from './masked_unit.ts'
import {
  absent,
  type LogMark,
  lastLines,
  type ServiceManager,
  type ServiceReader,
  type ServiceStatus,
} from './types.ts'
import { declaredProcess, differsFromDeclared } from './unit_process.ts'

/** Decides whether systemd runs, as sd_booted(3) does. */
export function runsSystemd(host: HostReader): boolean {
  return host.stat('/run/systemd/system')?.kind === 'directory'
}

const limit: Duration = minutes(5)
/** Decides whether a service can be controlled without systemd: by supervisord, or by its init script. */
export function worksWithoutSystemd(
  host: HostReader,
  provider: { readonly kind: string } | undefined,
  name: string,
): boolean {
  if (provider?.kind === 'supervisor') return true
  if (provider?.kind === 'systemd') return false
  return host.stat(`/etc/init.d/${name.replace(/\.service$/, '')}`) !== null
}

/** A daemon that an init script starts must outlive the run. */
const options: CommandOptions = { timeout: limit, outlivesRun: true }
const properties = 'Id,Names,LoadState,ActiveState,SubState,UnitFileState,MainPID,InvocationID,Result,Type,Job'

const unitStates: Readonly<Record<string, ServiceStatus['state']>> = {
  active: 'running',
  reloading: 'running',
  refreshing: 'running',
  activating: 'running',
  failed: 'failed',
}

export class SystemdReader implements ServiceReader {
  constructor(private readonly reading: HostReader) {}

  async status(name: string): Promise<ServiceStatus> {
    const unit = unitName(name)
    const loaded = await this.reading.cached('systemd units', () => this.show('*.service'))
    // A unit that is neither running nor required by a running one is not in memory: it must be queried by name.
    const units = loaded.has(unit) ? loaded : await this.reading.cached(`systemd ${unit}`, () => this.show(unit))
    return units.get(unit) ?? absent
  }

  async freshStatus(name: string): Promise<ServiceStatus> {
    return (await this.show(unitName(name))).get(unitName(name)) ?? absent
  }

  /** systemd compares the unit files with its own copy, not with the process that runs. */
  async isOutdated(name: string): Promise<boolean> {
    const command = ['systemctl', 'show', '--property=MainPID,FragmentPath,DropInPaths', '--', unitName(name)]
    const { stdout } = await this.reading.query(command)
    const fields = new Map(stdout.split('\n').map((line) => parsePair(line)))
    const paths = [fields.get('FragmentPath') ?? '', ...(fields.get('DropInPaths') ?? '').split(' ')]
    const texts = paths.flatMap((path) => (path === '' ? [] : (this.reading.readText(path) ?? [])))
    const [pid, declared] = [Number(fields.get('MainPID')) || 0, declaredProcess(texts)]
    return pid !== 0 && declared !== null && differsFromDeclared(this.reading, pid, declared)
  }

  /** Returns 0: a unit that ended shows that in its state until systemd starts it again. */
  earlyExits(): Promise<number> {
    return Promise.resolve(0)
  }

  log(name: string, lines: number): Promise<string> {
    return readJournal(this.reading, name, lines)
  }

  markLog(name: string): Promise<LogMark> {
    return markJournal(this.reading, name)
  }

  private async show(pattern: string): Promise<Map<string, ServiceStatus>> {
    const { stdout } = await this.reading.query(['systemctl', 'show', `--property=${properties}`, '--', pattern])
    const units = new Map<string, ServiceStatus>()
    for (const block of stdout.split(/\n{2,}/)) {
      const fields = new Map(block.split('\n').map((line) => parsePair(line)))
      for (const unit of (fields.get('Names') ?? '').split(' '))
        if (unit !== '') units.set(unit, parseUnitStatus(fields))
    }
    return units
  }
}

export class Systemd extends SystemdReader implements ServiceManager {
  readonly startsOnDemand = true

  constructor(private readonly host: Host) {
    super(host)
  }

  async refresh(): Promise<void> {
    await this.host.run(['systemctl', 'daemon-reload'], options)
  }

  async start(name: string): Promise<void> {
    const { state } = await this.freshStatus(name)
    if (state === 'absent') throw unknownServiceError(name)
    // systemd refuses to start a unit that failed too often for a while, even if the cause is fixed.
    if (state === 'failed') await this.host.run(['systemctl', 'reset-failed', unitName(name)], options)
    // The caller decides how long the start may take, not the unit.
    const command = ['systemctl', 'start', '--no-block', unitName(name)]
    const { status, stderr } = await this.host.run(command, { ...options, accept: 'any' })
    if (status !== 0) throw commandError(name, stderr)
  }

  async stop(name: string, within: Duration): Promise<void> {
    await this.host.run(['systemctl', 'stop', unitName(name)], { ...options, timeout: within })
  }

  async reload(name: string): Promise<void> {
    await this.host.run(['systemctl', 'reload', unitName(name)], options)
  }

  async setEnabled(name: string, enabled: boolean): Promise<void> {
    const verb = enabled ? 'enable' : 'disable'
    const { status, stderr } = await this.host.run(['systemctl', verb, unitName(name)], { ...options, accept: 'any' })
    if (status !== 0) throw commandError(name, stderr, verb)
  }
}

export class InitScriptsReader implements ServiceReader {
  constructor(private readonly reading: HostReader) {}

  status(name: string): Promise<ServiceStatus> {
    return this.reading.cached(`service ${name}`, () => this.freshStatus(name))
  }

  async freshStatus(name: string): Promise<ServiceStatus> {
    if (this.reading.stat(`/etc/init.d/${name}`) === null) return absent
    const { status, stdout } = await this.reading.query(['service', name, 'status'], { accept: 'any' })
    // By the Linux Standard Base, 0 means running and 3 stopped; any other status counts as stopped.
    return { ...absent, state: status === 0 ? 'running' : 'stopped', detail: lastLines(stdout, 1) }
  }

  isOutdated(): Promise<boolean> {
    return Promise.resolve(false)
  }

  /** Returns 0: init scripts start nothing again. */
  earlyExits(): Promise<number> {
    return Promise.resolve(0)
  }

  /** Returns nothing: init scripts have no common log. */
  log(): Promise<string> {
    return Promise.resolve('')
  }

  markLog(): Promise<LogMark> {
    return Promise.resolve({ linesSince: () => this.log() })
  }
}

export class InitScripts extends InitScriptsReader implements ServiceManager {
  constructor(private readonly host: Host) {
    super(host)
  }

  /** Does nothing: a script is read each time it runs. */
  refresh(): Promise<void> {
    return Promise.resolve()
  }

  async start(name: string): Promise<void> {
    if (this.host.stat(`/etc/init.d/${name}`) === null) throw unknownServiceError(name)
    await this.host.run(['service', name, 'start'], options)
    // Many scripts return before their daemon has written the pid file that `status` reads.
    for (let tries = 0; tries < 25 && (await this.freshStatus(name)).state !== 'running'; tries++)
      await this.host.sleep(milliseconds(200))
  }

  async stop(name: string, within: Duration): Promise<void> {
    await this.host.run(['service', name, 'stop'], { ...options, timeout: within })
  }

  async reload(name: string): Promise<void> {
    await this.host.run(['service', name, 'reload'], options)
  }
}

function unknownServiceError(name: string): ConvergeError {
  return new ConvergeError(`there is no service ${name} on this host`, {
    code: 'NO_SERVICE',
    hint: 'declare its package with packages() before the service, or correct the name of the service',
  })
}

/** Returns the error for a command that systemd refuses without an attempt. */
function commandError(name: string, stderr: string, verb = 'start'): ConvergeError {
  const why = /^Failed to .*?: (.+)$/m.exec(stderr)?.[1] ?? lastLines(stderr, 1)
  return new ConvergeError(`systemd refused to ${verb} it: ${why}`, {
    code: 'SERVICE_DOWN',
    hint: `correct what systemctl status ${unitName(name)} shows, then run again`,
  })
}

function parsePair(line: string): [string, string] {
  const at = line.indexOf('=')
  return [line.slice(0, at), line.slice(at + 1)]
}

/** A unit that is enabled only until the next boot does not start with the host. */
const enabledStates: Readonly<Record<string, boolean>> = {
  enabled: true,
  'enabled-runtime': false,
  disabled: false,
  masked: false,
}

/** Types of systemd.service(5) that are active as soon as their process exists. */
const provesNothing = new Set(['simple', 'exec', 'idle'])

function parseUnitStatus(fields: ReadonlyMap<string, string>): ServiceStatus {
  const field = (name: string) => fields.get(name) ?? ''
  if (field('LoadState') === 'not-found') return absent
  const restarting = field('SubState').startsWith('auto-restart')
  const state = unitStates[field('ActiveState')] ?? 'stopped'
  const isRequested = (state === 'stopped' || state === 'failed') && Number(field('Job')) > 0
  return {
    state: restarting ? 'failing' : isRequested ? 'running' : state,
    starting: isRequested || field('ActiveState') === 'activating',
    unproven: provesNothing.has(field('Type')),
    uptime: null,
    stopping: field('ActiveState') === 'deactivating',
    pid: Number(field('MainPID')) || 0,
    process: field('InvocationID') === '' ? null : `${field('MainPID')} of ${field('InvocationID')}`,
    masked: field('LoadState') === 'masked',
    detail: field('Result') === 'success' ? '' : field('Result'),
    // Static and generated units can be neither enabled nor disabled.
    enabled: enabledStates[field('UnitFileState')] ?? null,
  }
}

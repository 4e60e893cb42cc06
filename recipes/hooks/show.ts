/** Reports which hooks a host has, and their state. */
import type { HookOptions, HookView } from '../../core/cli/catalogue.ts'
import type { HostReader } from '../../core/host/types.ts'
import { configureJob, setupJob } from './jobs.ts'
import { configureTimer, configureUnit, setupUnit, shutdownUnit, unitDirectory } from './units.ts'

interface HookQuery {
  readonly options: Pick<HookOptions, 'stamp'>
  /** Whether to check systemd's units or cron's jobs. */
  readonly usesUnits: boolean
}

export async function showHooks(host: HostReader, { options, usesUnits: system }: HookQuery): Promise<HookView[]> {
  const isSetUp = host.stat(options.stamp) !== null
  const setupDetail = isSetUp ? 'has been done' : 'is due at the next boot'
  if (!system) {
    const text = host.isRoot ? null : await crontab(host)
    const installed = (name: string) =>
      text === null ? host.stat(`/etc/cron.d/${name}`) !== null : text.includes(`# BEGIN converge ${name}\n`)
    return [
      { name: setupJob, installed: installed(setupJob), detail: setupDetail },
      { name: configureJob, installed: installed(configureJob), detail: 'by cron' },
    ]
  }
  const exists = (name: string) => host.stat(`${unitDirectory}/${name}`) !== null
  const state = await statesOf(host, [configureTimer, configureUnit, shutdownUnit])
  const last = state(configureUnit, 'ExecMainExitTimestamp')
  // While the unit runs, systemd has no time of its last end.
  const runsNow = !['', 'inactive', 'failed'].includes(state(configureUnit, 'ActiveState'))
  const ended = last === '' ? 'has not run yet' : `last run ${last}: ${state(configureUnit, 'Result')}`
  const outcome = runsNow ? 'runs now' : ended
  return [
    { name: setupUnit, installed: exists(setupUnit), detail: setupDetail },
    {
      name: configureTimer,
      installed: exists(configureTimer),
      detail: `${state(configureTimer, 'ActiveState')}, ${outcome}`,
    },
    { name: shutdownUnit, installed: exists(shutdownUnit), detail: state(shutdownUnit, 'ActiveState') },
  ]
}

async function crontab(host: HostReader): Promise<string> {
  if (host.which('crontab') === null) return ''
  return (await host.query(['crontab', '-l'], { accept: 'any' })).stdout
}

async function statesOf(host: HostReader, names: readonly string[]) {
  const properties = 'Id,ActiveState,Result,ExecMainExitTimestamp'
  const { stdout } = await host.query(['systemctl', 'show', `--property=${properties}`, '--', ...names])
  const blocks = stdout.split(/\n{2,}/).map((block) => new Map(block.split('\n').map(propertyOf)))
  return (name: string, property: string) => blocks.find((block) => block.get('Id') === name)?.get(property) ?? ''
}

function propertyOf(line: string): [string, string] {
  const at = line.indexOf('=')
  return [line.slice(0, at), line.slice(at + 1)]
}

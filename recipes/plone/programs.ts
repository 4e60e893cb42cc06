/** Computes the programs that supervisor runs for a role: those of the release's buildout, started from `current`. */
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { type Duration, seconds } from '../../core/model/units.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { tidyVariables, type Variables, variablesAt } from '../app/environment.ts'
import { AttributeWriter, isSet } from '../site/attribute_writer.ts'
import type { SiteAttributes } from '../site/site_attributes.ts'
import { appAttributes, deployDirectory } from '../site/site_attributes.ts'
import {
  appEnvironment,
  appName,
  celeryBroker,
  clientCount,
  clientPort,
  programVariables,
  runsScheduler,
} from './site.ts'
import type { BuildoutRole, InitCommand } from './types.ts'

/** A program of supervisor, or a listener for its events. */
export interface Program {
  /** `<app>-<name>`; `<app>` if both are the same; `<app>-<index>` if the command has no name. */
  readonly name: string
  readonly type: 'program' | 'eventlistener'
  readonly command: string
  /** Working directory: the current release. */
  readonly directory: string
  /** Sorted by key. */
  readonly environment: Readonly<Record<string, string>>
  /** Delay before the restart of the next program. */
  readonly delay: Duration
  /** Events that a listener receives; empty for programs. */
  readonly events: readonly string[]
  /** Account that runs it, if it differs from the app's. */
  readonly user?: string
  /** Port at which it answers HTTP when it is ready; absent if it has none. */
  readonly port?: number
  /** Readiness test of a user's command; absent if it has none. */
  readonly ready?: StatedReadiness
}

export type StatedReadiness =
  | { readonly kind: 'http'; readonly port: number; readonly path?: string }
  | { readonly kind: 'tcp' | 'zeo'; readonly port: number }
  | { readonly kind: 'stay_up'; readonly seconds?: number }

interface Command extends InitCommand {
  /** Key path of its declaration, for messages; absent for the role's own commands. */
  readonly key?: string
  /** HTTP port of a client. */
  readonly client?: number
}

/**
 * Returns the programs of a role in start order.
 * @param options.deployTo directory of the app; default `deploy.<app>.deploy_to`, else `/srv/www/<app>`
 * @throws INVALID_ATTRIBUTE (several at once as INVALID_INPUT) for invalid commands
 */
export function programs(
  attributes: SiteAttributes,
  role: BuildoutRole,
  options: { readonly deployTo?: string | undefined } = {},
): Program[] {
  const app = appName(attributes, role)
  const deployTo = options.deployTo ?? deployDirectory(attributes, app)
  const values = new AttributeWriter()
  const environment = appEnvironment(attributes, role, deployTo, values)
  const shared = programVariables(attributes, role, deployTo)
  const all = commands(attributes, role, app).map((command, index) =>
    program(command, programName(command, index, app), { deployTo, environment, shared, values }),
  )
  const names = new Set<string>()
  for (const { name } of all) {
    if (names.has(name))
      values.refuse(`deploy.${app}.buildout_init_commands`, `makes ${name} twice`, 'rename one of them')
    names.add(name)
  }
  values.check()
  return all
}

/** Returns the user's commands and the role's; of two with the same name, the role's takes precedence. */
function commands(attributes: SiteAttributes, role: BuildoutRole, app: string): Command[] {
  const roleCommandsOfApp = roleCommands[role](attributes)
  const reserved = new Set(roleCommandsOfApp.map(({ name }) => name))
  const key = `deploy.${app}.buildout_init_commands`
  const users = (appAttributes(attributes, app).buildout_init_commands ?? [])
    .map((command, index): Command => ({ ...command, key: `${key}[${index}]` }))
    .filter(({ name }) => !reserved.has(name))
  return role === 'zeo-client' ? [...users, ...roleCommandsOfApp] : [...roleCommandsOfApp, ...users]
}

const roleCommands: Readonly<Record<BuildoutRole, (attributes: SiteAttributes) => Command[]>> = {
  'zeo-client': (attributes) => [...clientCommands(attributes), ...celeryCommands(attributes)],
  'zeo-server': () => [{ name: 'zeoserver', cmd: 'bin/zeoserver', args: 'fg' }],
  solr: () => [{ name: 'solr', cmd: 'bin/solr-instance', args: 'fg' }],
}

function clientCommands(attributes: SiteAttributes): Command[] {
  const count = clientCount(attributes, attributes.opsworks.instance)
  const delay = attributes.plone_instances.restart_delay
  return Array.from({ length: count }, (_, index) => {
    const name = `client${index + 1}`
    return { name, cmd: `bin/${name}`, args: 'console', delay, client: clientPort(index + 1) }
  })
}

function celeryCommands(attributes: SiteAttributes): Command[] {
  if (celeryBroker(attributes) === undefined) return []
  const { celery_args, beat_args } = attributes.plone_instances
  const worker = { name: 'celery', cmd: 'bin/celery', args: `worker ${celery_args.trim()}` }
  if (!runsScheduler(attributes)) return [worker]
  return [worker, { name: 'celerybeat', cmd: 'bin/celery', args: `beat ${beat_args.trim()}` }]
}

function programName({ name }: Command, index: number, app: string): string {
  if (!isSet(name)) return `${app}-${index}`
  return name === app ? app : `${app}-${name}`
}

function program(
  command: Command,
  name: string,
  site: {
    readonly deployTo: string
    /** The environment of all programs, sorted and unsorted. */
    readonly environment: Program['environment']
    readonly shared: Variables
    readonly values: AttributeWriter
  },
): Program {
  const { deployTo, values } = site
  const key = command.key ?? `the command of ${name}`
  if (!/^[\w.-]+$/.test(name))
    values.refuse(`${key}.name`, 'is not a valid program name', 'letters, digits, dots, dashes and underscores')
  const cmd = command.cmd.trim().replace(/^\/+/, '')
  const args = (command.args ?? '').trim()
  return {
    name,
    ...listeningProgram(key, command, values),
    command: `${deployTo}/current/${cmd} ${args}`.trim(),
    directory: `${deployTo}/current`,
    environment: ownEnvironment(key, command, site),
    delay: seconds(command.delay ?? 0),
    ...omitUndefined({ port: command.client }),
    ...statedReadiness(key, command, values),
  }
}

/** Returns the readiness test of a command; without one, the test of its kind of program applies. */
function statedReadiness(key: string, command: Command, values: AttributeWriter): Pick<Program, 'ready'> {
  const { ready, port, path, stay_up_seconds: seconds } = command
  const kind = ready ?? (isSet(port) ? 'http' : seconds === undefined ? undefined : 'stay_up')
  if (kind === undefined) return {}
  if (kind === 'stay_up') return { ready: { kind, ...omitUndefined({ seconds }) } }
  if (!isSet(port)) values.refuse(`${key}.port`, 'is missing', `name the port that shows that it is ready (${kind})`)
  const portOption = { port: port ?? 0 }
  return {
    ready: kind === 'http' ? { kind, ...portOption, ...(isSet(path) ? { path } : {}) } : { kind, ...portOption },
  }
}

/** Returns the app's environment, overridden by the command's own. */
function ownEnvironment(
  key: string,
  { environment: own }: Command,
  site: { readonly environment: Program['environment']; readonly shared: Variables; readonly values: AttributeWriter },
) {
  if (own === undefined) return site.environment
  return tidyVariables({ ...site.shared, ...variablesAt(`${key}.environment`, own) }, site.values, supervisorVariable)
}

/** Returns the cookbook's list and converge's other spelling of it; the cookbook uses its list for listeners only. */
function eventsOf(command: Command): string[] {
  const listed = command.eventlistener === false ? [] : (command.eventlistener_events ?? [])
  return [...new Set([...listed, ...(command.events ?? [])].map((event) => event.trim()).filter(isSet))]
}

function listeningProgram(
  key: string,
  command: Command,
  values: AttributeWriter,
): Pick<Program, 'type' | 'events' | 'user'> {
  const user = isSet(command.user) ? { user: command.user } : {}
  const events = eventsOf(command)
  const type = command.type ?? (command.eventlistener || events.length > 0 ? 'eventlistener' : 'program')
  if (type === 'program') {
    if (events.length > 0) values.refuse(`${key}.events`, 'is for event listeners', 'set type to eventlistener')
    return { type, events: [], ...user }
  }
  if (events.length === 0) values.refuse(`${key}.events`, 'is missing', 'name what to listen to, such as TICK_60')
  // A listener uses supervisor's socket, which belongs to root.
  return { type: 'eventlistener', events, user: 'root', ...user }
}

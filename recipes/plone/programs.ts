/** The programs supervisor runs for a role: what the release's buildout made, started from `current`. */
import { type Duration, seconds } from '../../core/model/units.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { tidyVariables, type Variables, variablesAt } from '../releases/variables.ts'
import {
  appAttributes,
  appEnvironment,
  appName,
  celeryBroker,
  clientCount,
  clientPort,
  deployDirectory,
  programVariables,
} from './site.ts'
import type { BuildoutRole, InitCommand, SiteAttributes } from './types.ts'
import { isSet, Values } from './values.ts'

/** A program of supervisor, or a listener to its events. */
export interface Program {
  /** `<app>-<name>`, `<app>` where both are the same, `<app>-<index>` where the command has no name. */
  readonly name: string
  readonly type: 'program' | 'eventlistener'
  readonly command: string
  /** The directory it starts in: the current release. */
  readonly directory: string
  /** Sorted by key. */
  readonly environment: Readonly<Record<string, string>>
  /** How long to wait before the next one is restarted. */
  readonly delay: Duration
  /** What an event listener listens to; empty for programs. */
  readonly events: readonly string[]
  /** Account that runs it where that is not the app's. */
  readonly user?: string
  /** Where it answers HTTP once it is ready; absent where it doesn't. */
  readonly port?: number
  /** What a command of the user says of its readiness; absent where it says nothing. */
  readonly ready?: StatedReadiness
}

export type StatedReadiness =
  | { readonly kind: 'http'; readonly port: number; readonly path?: string }
  | { readonly kind: 'tcp' | 'zeo'; readonly port: number }
  | { readonly kind: 'stay_up'; readonly seconds?: number }

interface Command extends InitCommand {
  /** Where it was declared, for messages; absent for the role's own. */
  readonly key?: string
  /** HTTP port of a client. */
  readonly client?: number
}

/**
 * The programs of a role, in the order they are started in.
 * @param options.deployTo where the app lives; default `deploy.<app>.deploy_to`, else `/srv/www/<app>`
 * @throws INVALID_ATTRIBUTE (several at once as INVALID_INPUT) for commands that no program can be made of
 */
export function programs(
  attributes: SiteAttributes,
  role: BuildoutRole,
  options: { readonly deployTo?: string | undefined } = {},
): Program[] {
  const app = appName(attributes, role)
  const deployTo = options.deployTo ?? deployDirectory(attributes, app)
  const values = new Values()
  const environment = appEnvironment(attributes, role, deployTo, values)
  const shared = programVariables(attributes, role, deployTo)
  const all = commands(attributes, role, app, values).map((command, index) =>
    program(command, programName(command, index, app), { deployTo, environment, shared, values }),
  )
  const seen = new Set<string>()
  for (const { name } of all) {
    if (seen.has(name))
      values.refuse(`deploy.${app}.buildout_init_commands`, `makes ${name} twice`, 'rename one of them')
    seen.add(name)
  }
  values.check()
  return all
}

/** The user's commands and the role's; of two with one name the role's is meant, as it always was. */
function commands(attributes: SiteAttributes, role: BuildoutRole, app: string, values: Values): Command[] {
  const own = roleCommands[role](attributes, values)
  const taken = new Set(own.map(({ name }) => name))
  const key = `deploy.${app}.buildout_init_commands`
  const users = (appAttributes(attributes, app).buildout_init_commands ?? [])
    .map((command, index): Command => ({ ...command, key: `${key}[${index}]` }))
    .filter(({ name }) => !taken.has(name))
  return role === 'zeo-client' ? [...users, ...own] : [...own, ...users]
}

const roleCommands: Readonly<Record<BuildoutRole, (attributes: SiteAttributes, values: Values) => Command[]>> = {
  'zeo-client': (attributes, values) => [...clientCommands(attributes, values), ...celeryCommands(attributes, values)],
  'zeo-server': () => [{ name: 'zeoserver', cmd: 'bin/zeoserver', args: 'fg' }],
  solr: () => [{ name: 'solr', cmd: 'bin/solr-instance', args: 'fg' }],
}

function clientCommands(attributes: SiteAttributes, values: Values): Command[] {
  const count = clientCount(attributes, attributes.opsworks.instance)
  const delay = values.number('plone_instances.restart_delay', attributes.plone_instances.restart_delay, 0)
  return Array.from({ length: count }, (_, index) => {
    const name = `client${index + 1}`
    return { name, cmd: `bin/${name}`, args: 'console', delay, client: clientPort(index + 1) }
  })
}

function celeryCommands(attributes: SiteAttributes, values: Values): Command[] {
  if (celeryBroker(attributes) === undefined) return []
  const { celery_args, celerybeat, beat_args } = attributes.plone_instances
  const workerArgs = values.line('plone_instances.celery_args', celery_args)
  const worker = { name: 'celery', cmd: 'bin/celery', args: `worker ${workerArgs}` }
  if (!celerybeat) return [worker]
  const beatArgs = values.line('plone_instances.beat_args', beat_args)
  return [worker, { name: 'celerybeat', cmd: 'bin/celery', args: `beat ${beatArgs}` }]
}

function programName({ name }: Command, index: number, app: string): string {
  if (!isSet(name)) return `${app}-${index}`
  return name === app ? app : `${app}-${name}`
}

function program(
  command: Command,
  name: string,
  given: {
    readonly deployTo: string
    /** Of all programs, and the same before it was sorted. */
    readonly environment: Program['environment']
    readonly shared: Variables
    readonly values: Values
  },
): Program {
  const { deployTo, values } = given
  const key = command.key ?? `the command of ${name}`
  if (!/^[\w.-]+$/.test(name))
    values.refuse(`${key}.name`, 'is no name for a program', 'letters, digits, dots, dashes and underscores')
  const cmd = values.line(`${key}.cmd`, command.cmd).replace(/^\/+/, '')
  // What was refused already isn't missing as well.
  if (/^[/\s]*$/.test(String(command.cmd ?? '')))
    values.refuse(`${key}.cmd`, 'is missing', 'name what to run, such as bin/instance')
  const args = values.line(`${key}.args`, command.args)
  return {
    name,
    ...listening(key, command, values),
    command: `${deployTo}/current/${cmd} ${args}`.trim(),
    directory: `${deployTo}/current`,
    environment: ownEnvironment(key, command, given),
    delay: seconds(values.number(`${key}.delay`, command.delay, 0)),
    ...(command.client === undefined ? {} : { port: command.client }),
    ...statedReadiness(key, command, values),
  }
}

/** Absent where a command says nothing: then its readiness is that of its kind. */
function statedReadiness(key: string, command: Command, values: Values): Pick<Program, 'ready'> {
  const { ready, port, path, stay_up_seconds: seconds } = command
  const kind = ready ?? (isSet(port) ? 'http' : seconds === undefined ? undefined : 'stay_up')
  if (kind === undefined) return {}
  if (kind === 'stay_up') return { ready: { kind, ...(seconds === undefined ? {} : { seconds }) } }
  if (!isSet(port)) values.refuse(`${key}.port`, 'is missing', `name the port that shows that it is ready (${kind})`)
  const asked = { port: port ?? 0 }
  return { ready: kind === 'http' ? { kind, ...asked, ...(isSet(path) ? { path } : {}) } : { kind, ...asked } }
}

/** The app's environment, and over it the command's own. */
function ownEnvironment(
  key: string,
  { environment: own }: Command,
  given: { readonly environment: Program['environment']; readonly shared: Variables; readonly values: Values },
) {
  if (own === undefined) return given.environment
  return tidyVariables({ ...given.shared, ...variablesAt(`${key}.environment`, own) }, given.values, supervisorVariable)
}

/** The list that the cookbook has, and converge's other spelling of it; the cookbook ignores its list for what is no listener. */
function eventsOf(key: string, command: Command, values: Values): string[] {
  const listed =
    command.eventlistener === false
      ? []
      : values.lines(`${key}.eventlistener_events`, command.eventlistener_events, ',')
  return [...new Set([...listed, ...values.lines(`${key}.events`, command.events, ',')])]
}

function listening(key: string, command: Command, values: Values): Pick<Program, 'type' | 'events' | 'user'> {
  const user = isSet(command.user) ? { user: command.user } : {}
  const events = eventsOf(key, command, values)
  const type = command.type ?? (command.eventlistener || events.length > 0 ? 'eventlistener' : 'program')
  if (type === 'program') {
    if (events.length > 0) values.refuse(`${key}.events`, 'is for event listeners', 'set type to eventlistener')
    return { type, events: [], ...user }
  }
  if (type !== 'eventlistener') values.refuse(`${key}.type`, 'is neither program nor eventlistener', 'use one of these')
  else if (events.length === 0) values.refuse(`${key}.events`, 'is missing', 'name what to listen to, such as TICK_60')
  // Supervisor's socket, through which a listener acts, belongs to root.
  return { type: 'eventlistener', events, user: 'root', ...user }
}

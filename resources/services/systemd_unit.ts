/** Manages a unit of systemd: its file, whether it starts with the host, and whether it runs. */
import { basename, dirname } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { sameJson } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { duration, seconds } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { unitText, unitValues } from '../../core/text/unit_file.ts'
import { requireRoot } from '../accounts/account_files.ts'
import { applyFileState, desiredFileState, fileState, readFileState } from '../files/file.ts'
import { runsSystemd, Systemd, SystemdReader } from './managers/system.ts'
import { serviceStates } from './managers/types.ts'
import { ServiceRestarter } from './restart/service_restarter.ts'
import { verifyUnit } from './verify_unit.ts'

const directory = '/etc/systemd/system'
const ownership = { mode: '0644', owner: 'root', group: 'root' }

/** The directories of units that packages and generators install: systemd.unit(5). */
const otherDirectories = [
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]

const line = z.string().regex(/^(?!.*\\$)[^\n\r\0]*$/, { error: 'a text on one line that does not end in a backslash' })
const optionName = z.string().regex(/^[A-Za-z][\w-]*$/, { error: 'the name of a setting, such as ExecStart' })
const value = z.union([line, z.int(), z.boolean()])

const sections = z.record(
  z.string().regex(/^[A-Za-z][\w-]*$/, { error: 'the name of a section, such as Service' }),
  z.record(optionName, z.union([value, z.array(value)])),
)

/** A template such as shop@.service has no state: only its instances have one. */
const isTemplate = (name: string) => name.includes('@.')

const props = requiredUnlessAbsent(
  z.strictObject({
    name: z
      .string()
      .regex(/^[\w.@:-]+\.(service|socket|timer|path|mount|target)$/, {
        error: 'the full name of a unit, such as shop.service or backup.timer',
      })
      .describe('Name of the unit, with its ending'),
    content: z
      .union([z.string().min(1), sections], { error: 'a text, or an object with sections such as Service' })
      .optional()
      .describe(
        'The unit file: its whole text, or its sections with their settings. true and false become yes and no, and a list becomes one line for each value. Required unless absent',
      ),
    enabled: z
      .boolean()
      .optional()
      .describe('Whether it starts at boot, as its section [Install] says; default: unchanged'),
    action: z
      .enum(['running', 'stopped'])
      .optional()
      .describe("Its state: 'running' or 'stopped'; default: unchanged. A change of the file restarts nothing"),
    deadline: duration.default(() => seconds(60)).describe('How long it may take to start or stop; default 60 s'),
    verify: z
      .boolean()
      .default(true)
      .describe('Check a new file with systemd-analyze, and refuse lines that systemd would ignore; default true'),
    absent: z.boolean().optional().describe('Stop and disable it, and remove the file instead; default false'),
  }),
  'content',
).refine(({ name, enabled, action }) => !isTemplate(name) || (enabled === undefined && action === undefined), {
  error:
    'enabled and action are for instances of a template: declare service(r, { name: "x@instance", enabled: true })',
  path: ['name'],
})
type Props = z.output<typeof props>

const examples: z.input<typeof props>[] = [
  {
    name: 'shop.service',
    content: {
      Unit: { Description: 'Shop', After: 'network-online.target', Wants: 'network-online.target' },
      Service: { User: 'shop', ExecStart: '/srv/shop/bin/server', Environment: ['PORT=8080'], Restart: 'always' },
      Install: { WantedBy: 'multi-user.target' },
    },
    enabled: true,
    action: 'running',
  },
  {
    name: 'backup.timer',
    content: {
      Timer: { OnCalendar: 'daily', RandomizedDelaySec: '10min', Persistent: true },
      Install: { WantedBy: 'timers.target' },
    },
    enabled: true,
    action: 'running',
  },
  { name: 'old-worker.service', absent: true },
]

const state = z.strictObject({
  ...fileState.shape,
  /** The links that start it at boot, below /etc/systemd/system; null if not declared. */
  links: z.array(z.string()).nullable(),
  /** Whether systemd uses an earlier version of the file. */
  isOutdated: z.boolean(),
  /** Null if not declared, or if systemd does not run. */
  state: z.enum(serviceStates).nullable(),
})
type State = z.output<typeof state>

const target = ({ name }: Pick<Props, 'name'>) => ({ path: `${directory}/${name}`, ...ownership })

function contentOf({ content = '' }: Props): string {
  if (typeof content !== 'string') return unitText(content)
  return content.endsWith('\n') ? content : `${content}\n`
}

const dependencyDirectories: Readonly<Record<string, string>> = {
  WantedBy: 'wants',
  RequiredBy: 'requires',
  UpheldBy: 'upholds',
}

/** Returns the links that `systemctl enable` makes for the unit. */
function declaredLinks(props: Props): string[] {
  const text = contentOf(props)
  const words = (option: string) => unitValues([text], 'Install', option).flatMap((value) => value.split(/\s+/))
  const dependencies = Object.entries(dependencyDirectories).flatMap(([option, ending]) =>
    words(option).map((unit) => `${unit}.${ending}/${props.name}`),
  )
  return [...new Set([...dependencies, ...words('Alias')])].sort()
}

/** Returns the links to the unit, also those of an earlier section [Install]. */
function readLinks(host: HostReader, name: string): string[] {
  const entries = host.list(directory)
  const dependencies = entries.flatMap((entry) => {
    const path = `${entry}/${name}`
    return /\.(wants|requires|upholds)$/.test(entry) && host.lstat(`${directory}/${path}`)?.kind === 'link'
      ? [path]
      : []
  })
  const aliases = entries.filter((entry) => {
    const path = `${directory}/${entry}`
    return entry !== name && host.lstat(path)?.kind === 'link' && basename(host.readLink(path) ?? '') === name
  })
  return [...dependencies, ...aliases].sort()
}

const isInstalledElsewhere = (host: HostReader, name: string) =>
  otherDirectories.some((one) => host.lstat(`${one}/${name}`) !== null)

/** Decides whether the resource also stops and disables the unit: not one that a package still has. */
function managesUnit(host: HostReader, { name, absent }: Props): boolean {
  return absent !== true || !isInstalledElsewhere(host, name)
}

async function isOutdated(host: HostReader, name: string): Promise<boolean> {
  const command = ['systemctl', 'show', '--value', '--property=NeedDaemonReload', '--', name]
  const { stdout } = await host.cached(`systemd needs reload ${name}`, () => host.query(command))
  return stdout.trim() === 'yes'
}

async function read(host: HostReader, props: Props): Promise<State> {
  const { name, enabled, action, absent } = props
  const path = `${directory}/${name}`
  if (host.lstat(path)?.kind === 'link' && host.readLink(path) === '/dev/null')
    throw new ConvergeError(`${name} is masked: ${path} is a link to /dev/null`, {
      code: 'IN_THE_WAY',
      hint: `run systemctl unmask ${name}, or remove the unit from the recipe`,
    })
  const isManaged = managesUnit(host, props)
  const runs = runsSystemd(host) && !isTemplate(name)
  const needsState = runs && isManaged && (action !== undefined || absent === true)
  return {
    ...readFileState(host, target(props)),
    links: isManaged && (enabled !== undefined || absent === true) ? readLinks(host, name) : null,
    isOutdated: runs && (await isOutdated(host, name)),
    state: needsState ? (await new SystemdReader(host).status(name)).state : null,
  }
}

function desired(props: Props, now: State): State {
  const { name, enabled, action, absent } = props
  const file = desiredFileState(target(props), contentOf(props), now)
  if (absent === true) {
    const noFile = { kind: 'absent' as const, content: null, mode: null, owner: null, group: null }
    return { ...noFile, links: now.links && [], isOutdated: false, state: now.state && 'absent' }
  }
  if (enabled && declaredLinks(props).length === 0)
    throw new ConvergeError(`${name} cannot be enabled: nothing in its section [Install] says what starts it`, {
      code: 'NO_INSTALL_SECTION',
      hint: 'add WantedBy=multi-user.target (for a timer timers.target, for a socket sockets.target) to [Install], or remove enabled',
    })
  if (action === 'running' && now.state === null)
    throw new ConvergeError(`cannot start ${name}: systemd does not run on this host`, {
      code: 'NO_SERVICE',
      hint: 'remove action from the unit, or declare it only on hosts with systemd',
    })
  const isDown = now.state === 'absent' || now.state === 'failed' || now.state === null
  return {
    ...file,
    links: enabled === undefined ? null : enabled ? declaredLinks(props) : [],
    isOutdated: false,
    state: action === undefined || (action === 'stopped' && isDown) ? now.state : action,
  }
}

function makeDirectories(host: Host, path: string): void {
  if (host.stat(path) !== null) return
  makeDirectories(host, dirname(path))
  host.makeDirectory(path, { mode: '0755' })
}

/** Stops the unit, disables it and removes its file, as far as a killed run has not done so. */
async function remove(host: Host, props: Props, now: State, context: Context): Promise<void> {
  const { name, deadline } = props
  const manager = new Systemd(host)
  if (now.state !== null && now.state !== 'absent')
    await new ServiceRestarter(host, manager, deadline, context).stop(name)
  if (now.links !== null && now.links.length > 0) await host.run(['systemctl', 'disable', name])
  host.remove(target(props).path)
  // A link to a unit without a file is unknown to `systemctl disable`.
  for (const link of now.links ?? []) host.remove(`${directory}/${link}`)
  if (runsSystemd(host)) await manager.refresh()
}

async function apply(
  host: Host,
  props: Props,
  { now, desired }: { readonly now: State; readonly desired: State },
  context: Context,
): Promise<void> {
  const { name, action, deadline, verify } = props
  requireRoot(host, [['systemctl', 'daemon-reload']])
  if (props.absent) return remove(host, props, now, context)
  const content = contentOf(props)
  makeDirectories(host, directory)
  if (verify && now.content !== content) await verifyUnit(host, name, content, context)
  applyFileState(host, target(props), content, now)
  const manager = new Systemd(host)
  if (runsSystemd(host) && (now.isOutdated || now.content !== content)) await manager.refresh()
  if (!sameJson(now.links, desired.links)) {
    // First removes links of an earlier section [Install].
    if (now.links !== null && now.links.length > 0) await host.run(['systemctl', 'disable', name])
    if (props.enabled) await host.run(['systemctl', 'enable', name])
  }
  if (now.state === desired.state) return
  const restarter = new ServiceRestarter(host, manager, deadline, context)
  if (action === 'running') await restarter.restart({ name })
  else await restarter.stop(name)
}

function predict(host: Host, props: Props, { now, desired }: { readonly now: State; readonly desired: State }): void {
  requireRoot(host, [['systemctl', 'daemon-reload']])
  const { path } = target(props)
  if (props.absent) host.remove(path)
  else {
    makeDirectories(host, directory)
    applyFileState(host, target(props), contentOf(props), now)
  }
  for (const link of now.links ?? []) if (!desired.links?.includes(link)) host.remove(`${directory}/${link}`)
  for (const link of desired.links ?? []) {
    makeDirectories(host, dirname(`${directory}/${link}`))
    host.replaceLink(`${directory}/${link}`, path)
  }
}

export const systemd_unit = defineResource(
  {
    type: 'systemd_unit',
    doc: 'Keeps the file of a unit of systemd in /etc/systemd/system, checked by systemd-analyze and loaded by systemd; enables and starts it if declared. To restart it after a change, list it in `when` of service_restart.',
    mirrors: "Chef's systemd_unit resource, Ansible's systemd; systemd.unit(5), systemctl(1), systemd-analyze(1)",
    examples,
    reach: 'system',
    key: ({ name }) => name,
    props,
    state,
    readsAhead: true,
  },
  {
    read,
    desired,
    apply,
    predict,
    // Whether it is enabled or runs is no reason to restart what lists it.
    fingerprint: (_, { content }) => content,
    paths: (props) => [target(props).path],
    withoutSystemd: (_, props) => ({ ...props, action: undefined }),
    files: (props) => (props.absent ? [] : [{ ...target(props), content: contentOf(props) }]),
  },
)

/** Compiles every host of a stack on the operator's computer, without connecting to a host. */
import type { Plan } from '../../compile/compile.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { baseRole } from '../../fleet/stack/documents.ts'
import type { StackDraft } from '../../fleet/stack/load.ts'
import {
  arrowsOf,
  type Concern,
  type HostServices,
  missingAnswers,
  portClashes,
  type Service,
} from '../../fleet/stack/services.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import { ConvergeError, describeLocation, throwProblems } from '../../model/errors.ts'
import { Findings } from '../../model/findings.ts'
import { withWarnings } from '../inputs/input_warnings.ts'
import { appsOn } from './deployed_apps.ts'
import { type CompiledHost, HostCheck } from './host_check.ts'
import type { StackInputs } from './inputs.ts'
import { StackNodes } from './nodes.ts'
import type { StackCommand } from './stack_command.ts'

export interface CompiledStack {
  readonly services: readonly HostServices[]
  /** Warnings; one that several hosts share is listed once. */
  readonly concerns: readonly Concern[]
  /** Names that the attributes of any host add to those of secrets. */
  readonly secretNames: readonly string[]
}

/**
 * Compiles setup, deploy and configure of every host, and checks whether the hosts fit together. Every host that is not
 * stopped counts as online.
 * @throws InvalidInput with the problems of all hosts, each problem once with the names of its hosts
 */
export async function compileStack<N>(call: StackCommand<N>, inputs: StackInputs<N>): Promise<CompiledStack> {
  const { problems, ...compiled } = await draftHosts(call, inputs)
  await withWarnings(
    () => compiled.concerns.map((concern) => concernText(concern, inputs.stack)),
    () => throwProblems(problems, `the hosts of ${inputs.stack.name} cannot be compiled`),
  )
  return compiled
}

export interface StackHostsDraft extends CompiledStack {
  readonly problems: readonly ConvergeError[]
}

/**
 * Compiles the hosts of a stack that may have mistakes, and returns their problems.
 * @param known problems of the stack file; the rest of it is compiled
 */
export async function draftHosts<N>(
  call: StackCommand<N>,
  inputs: StackInputs<N>,
  known: Pick<StackDraft, 'problems' | 'unreadPaths'> = { problems: [], unreadPaths: [] },
): Promise<StackHostsDraft> {
  const { stack } = inputs
  const hostErrors: { host: string; error: ConvergeError }[] = []
  const hostWarnings: { host: string; message: string }[] = []
  const hostNodes: Pick<CompiledHost<N>, 'name' | 'roles' | 'node'>[] = []
  const services: (HostServices & { readonly known: boolean })[] = []
  const secretNames = new Set<string>()
  const deployed = new Set<string>()
  const nodes = await StackNodes.of(call, inputs)
  const check = new HostCheck(call, nodes, inputs.user.roles)
  for (const host of stack.hosts) {
    const { compiled, problems, warnings } = await check.of(host, known.unreadPaths)
    for (const error of problems) hostErrors.push({ host: host.name, error })
    for (const message of warnings) hostWarnings.push({ host: host.name, message })
    if (compiled === null) continue
    const { name, roles, node, plan } = compiled
    for (const secret of compiled.mergedNode.names.secret) secretNames.add(secret)
    for (const message of plan.warnings) hostWarnings.push({ host: name, message })
    for (const app of appsOn(stack, host, { ...compiled, roles: compiled.definitions })) deployed.add(app)
    if (host.status === 'stopped') continue
    // Drop the plan and the layers: those of a thousand hosts would take much memory.
    hostNodes.push({ name, roles, node })
    services.push(await hostServices(call, compiled))
  }
  const findings = new Findings(known.problems)
  findings.add(mergeErrors(hostErrors, stack.hosts.length))
  const { problems } = findings
  const complete = new Set(services.filter((one) => one.known).map(({ host }) => host))
  // Others would report a host with a mistake as missing.
  const isWhole = problems.length + known.problems.length === 0
  return {
    problems,
    services,
    secretNames: [...secretNames],
    concerns: [
      ...mergeConcerns(hostWarnings),
      ...(isWhole ? unusedApps(stack, deployed) : []),
      ...[
        ...(isWhole ? await call.catalogue.concerns(hostNodes) : []),
        ...portClashes(services),
        ...(isWhole ? missingAnswers(arrowsOf(stack, services), complete) : []),
      ].map((concern) => atFirstHost(stack, concern)),
    ],
  }
}

/** Formats a warning, with its hint on a line of its own. */
export function concernText({ message, hosts, hint, source }: Concern, { hosts: all }: Pick<Stack, 'hosts'>): string {
  const prefix = source === undefined ? '' : `${describeLocation(source)}: `
  const suffix = hosts.length === 0 ? '' : ` (${describeHosts(hosts, all.length)})`
  return `${prefix}${message}${suffix}${hint === undefined ? '' : `\n  hint: ${hint}`}`
}

/** Warns of apps that no host deploys. */
function unusedApps({ apps, locate }: Stack, deployed: ReadonlySet<string>): Concern[] {
  return apps
    .filter(({ name }) => !deployed.has(name))
    .map(({ name, layers }) => ({
      message:
        layers === null || layers.length === 0
          ? `no host deploys the app ${name}`
          : `no host deploys the app ${name}: its layers have no hosts (${layers.join(', ')})`,
      hosts: [],
      hint: `add a layer with hosts to apps.${name}.layers, set app_name of a role to ${name}, or remove the app`,
      source: locate(['apps', name], 'key'),
    }))
}

function atFirstHost(stack: Stack, concern: Concern): Concern {
  const [first] = concern.hosts
  return first === undefined ? concern : { source: stack.locate(['hosts', first], 'key'), ...concern }
}

async function hostServices<N>(
  { catalogue }: StackCommand<N>,
  { name, roles, node, plan }: CompiledHost<N>,
): Promise<HostServices & { readonly known: boolean }> {
  const all: Service[] = []
  // Services on a host without a role are not converge's.
  let known = roles.some((role) => role !== baseRole)
  for (const role of roles) {
    const found = await catalogue.services(node, role)
    known &&= found !== null
    for (const service of found ?? declared(plan, role)) {
      const other = all.findIndex((one) => one.name === service.name)
      // One nginx serves the sites of several roles: list it once.
      if (other === -1) all.push(service)
      else all[other] = joinServices(all[other] ?? service, service)
    }
  }
  return { host: name, services: all, known }
}

function joinServices(one: Service, other: Service): Service {
  const ports = [...new Set([...one.ports, ...other.ports])]
  return {
    ...one,
    ports,
    asks: [...new Set([...one.asks, ...other.asks])],
    isVisited: one.isVisited || other.isVisited,
  }
}

const runners = ['service', 'supervisor_program', 'port_swap']

/** Lists the services that a user's role declares; their ports are unknown. */
function declared({ resources }: Plan, role: string): Service[] {
  const found = resources.filter((resource) => resource.role === role && runners.includes(resource.type))
  const names = [...new Set(found.map(({ key }) => key))]
  return names.map((name) => ({ name, role, ports: [], isVisited: false, asks: [] }))
}

/** Merges the same mistake of several hosts into one with their names. */
export function mergeErrors(
  hostErrors: readonly { host: string; error: ConvergeError }[],
  hosts: number,
): ConvergeError[] {
  const groups = new Map<string, { error: ConvergeError; hosts: string[] }>()
  for (const { host, error } of hostErrors) {
    const key = JSON.stringify(error.toJSON())
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { error, hosts: [host] })
    else group.hosts.push(host)
  }
  return [...groups.values()].map(({ error, hosts: names }) => {
    const { code, source, hint, resource, output, cause } = error
    return new ConvergeError(`${error.message} (${describeHosts(names, hosts)})`, {
      code,
      source,
      hint,
      resource,
      output,
      cause,
      usage: true,
    })
  })
}

/** @param total total number of hosts */
export function describeHosts(names: readonly string[], total: number): string {
  return names.length === total && total > 1 ? 'all hosts' : describeNames(names)
}

export function mergeConcerns(warnings: readonly { host: string; message: string }[]): Concern[] {
  const messages = [...new Set(warnings.map(({ message }) => message))]
  return messages.map((message) => ({
    message,
    hosts: warnings.filter((one) => one.message === message).map(({ host }) => host),
  }))
}

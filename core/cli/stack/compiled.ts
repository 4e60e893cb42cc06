/** What each host of a stack would be given and would declare, worked out where the operator is: no host is asked. */
import { randomUUID } from 'node:crypto'
import { compile, type Plan, wholeWay } from '../../compile/compile.ts'
import { describeNames } from '../../fleet/screen/names.ts'
import { baseRole } from '../../fleet/stack/documents.ts'
import { problemsOf } from '../../fleet/stack/file.ts'
import {
  arrowsOf,
  type Concern,
  type HostServices,
  missingAnswers,
  portClashes,
  type Service,
} from '../../fleet/stack/services.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { type Facts, neutralFacts } from '../../node/facts.ts'
import { withLocations } from '../../node/located.ts'
import { locateIn, type Node } from '../../node/node.ts'
import { parsePath } from '../../node/path.ts'
import { warningText } from '../inputs.ts'
import { renderedFiles } from '../render.ts'
import type { StackCall } from './call.ts'
import type { StackInputs } from './inputs.ts'
import { StackNodes } from './nodes.ts'

export interface CompiledHost<N> {
  readonly name: string
  readonly roles: readonly string[]
  readonly built: Node<unknown>
  readonly node: N
  readonly plan: Plan
}

export interface CompiledStack {
  readonly services: readonly HostServices[]
  /** What is odd, the same once for all its hosts. */
  readonly concerns: readonly Concern[]
}

/**
 * Compiles the whole way of every host, and looks whether the hosts fit together. Every host that is not stopped counts as
 * online.
 * @throws InvalidInput with what is wrong with any host, the same mistake once with the names of its hosts
 */
export async function compileStack<N>(call: StackCall<N>, inputs: StackInputs<N>): Promise<CompiledStack> {
  const { stack } = inputs
  const wrong: { host: string; error: ConvergeError }[] = []
  const said: { host: string; message: string }[] = []
  const members: Pick<CompiledHost<N>, 'name' | 'roles' | 'node'>[] = []
  const services: (HostServices & { readonly known: boolean })[] = []
  const nodes = await StackNodes.of(call, inputs)
  for (const host of stack.hosts)
    try {
      const compiled = await compileHost(call, nodes, host)
      const { name, roles, node, built, plan } = compiled
      for (const message of [...built.warnings.map(warningText), ...plan.warnings]) said.push({ host: name, message })
      if (host.status === 'stopped') continue
      // The plan and the layers of a thousand hosts would take much memory: nobody needs them any more.
      members.push({ name, roles, node })
      services.push(await hostServices(call, compiled))
    } catch (error) {
      for (const one of problemsOf(error)) wrong.push({ host: host.name, error: one })
    }
  throwProblems(together(wrong, stack.hosts.length), `the hosts of ${stack.name} cannot be compiled`)
  const complete = new Set(services.filter(({ known }) => known).map(({ host }) => host))
  return {
    services,
    concerns: [
      ...merged(said),
      ...[
        ...(await call.catalogue.concerns(members)),
        ...portClashes(services),
        ...missingAnswers(arrowsOf(stack, services), complete),
      ].map((concern) => atFirstHost(stack, concern)),
    ],
  }
}

function atFirstHost(stack: Stack, concern: Concern): Concern {
  const [first] = concern.hosts
  return first === undefined ? concern : { source: stack.locate(['hosts', first], 'key'), ...concern }
}

export async function compileHost<N>(
  { catalogue, secrets }: StackCall<N>,
  nodes: StackNodes<N>,
  host: StackHost,
): Promise<CompiledHost<N>> {
  const { roles: found, built } = await nodes.build(host, factsOf(host))
  const names = found.map((role) => role.name)
  const locate = (path: string) => locateIn(built.layers, built.states, parsePath(path))
  const run = { id: randomUUID(), events: wholeWay, roles: names, host: null, options: {}, by: '', locate }
  const node = catalogue.node(built, run)
  const mask = (text: string) => secrets.mask(text)
  const plan = withLocations(built, () => compile(found, wholeWay, node, { mask, memory: nodes.memory }))
  await renderedFiles(plan)
  return { name: host.name, roles: names, built, node, plan }
}

/** Nothing is known of the host but what the stack says. */
function factsOf({ name, cpus, prefix, sudo, user }: StackHost): Facts {
  const root = prefix === undefined && (sudo !== false || user === 'root')
  const account = root ? {} : { uid: 1000, gid: 1000, user: user ?? null, group: null }
  return { ...neutralFacts, ...account, hostname: name, cpu: { total: cpus ?? neutralFacts.cpu.total } }
}

async function hostServices<N>(
  { catalogue }: StackCall<N>,
  { name, roles, node, plan }: CompiledHost<N>,
): Promise<HostServices & { readonly known: boolean }> {
  const all: Service[] = []
  // What runs on a host without a role is not this program's doing.
  let known = roles.some((role) => role !== baseRole)
  for (const role of roles) {
    const found = await catalogue.services(node, role)
    known &&= found !== null
    for (const service of found ?? declared(plan, role)) {
      const other = all.findIndex((one) => one.name === service.name)
      // One nginx serves the sites of several roles.
      if (other === -1) all.push(service)
      else all[other] = joined(all[other] ?? service, service)
    }
  }
  return { host: name, services: all, known }
}

function joined(one: Service, other: Service): Service {
  const ports = [...new Set([...one.ports, ...other.ports])]
  return { ...one, ports, asks: [...new Set([...one.asks, ...other.asks])], visited: one.visited || other.visited }
}

const runners = ['service', 'supervisor_program', 'port_swap']

/** What a role of somebody's own declares to run; nobody knows its ports. */
function declared({ resources }: Plan, role: string): Service[] {
  const found = resources.filter((resource) => resource.role === role && runners.includes(resource.type))
  const names = [...new Set(found.map(({ key }) => key))]
  return names.map((name) => ({ name, role, ports: [], visited: false, asks: [] }))
}

/** The same mistake of forty hosts, once with their names. */
export function together(wrong: readonly { host: string; error: ConvergeError }[], hosts: number): ConvergeError[] {
  const groups = new Map<string, { error: ConvergeError; hosts: string[] }>()
  for (const { host, error } of wrong) {
    const key = JSON.stringify(error.toJSON())
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { error, hosts: [host] })
    else group.hosts.push(host)
  }
  return [...groups.values()].map(({ error, hosts: names }) => {
    const { code, source, hint, resource, output, cause } = error
    return new ConvergeError(`${error.message} (${whichHosts(names, hosts)})`, {
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

/** @param of how many hosts there are */
export function whichHosts(names: readonly string[], of: number): string {
  return names.length === of && of > 1 ? 'all hosts' : describeNames(names)
}

function merged(said: readonly { host: string; message: string }[]): Concern[] {
  const messages = [...new Set(said.map(({ message }) => message))]
  return messages.map((message) => ({
    message,
    hosts: said.filter((one) => one.message === message).map(({ host }) => host),
  }))
}

/** Compiles a host of a stack on the operator's computer, without connecting to it. */
import { defaultEvents, draftPlan, type Plan } from '../../compile/compile.ts'
import type { Role } from '../../compile/role.ts'
import type { StackDraft } from '../../fleet/stack/load.ts'
import type { StackHost } from '../../fleet/stack/stack.ts'
import type { ConvergeError } from '../../model/errors.ts'
import { type Facts, neutralFacts } from '../../node/facts.ts'
import type { Node } from '../../node/node.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { compileHost, type HostInput, recipeNode } from '../inputs/compile_host.ts'
import { diagnose, mistakesOf } from '../inputs/diagnosis.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { draftFiles } from '../inputs/rendered_files.ts'
import type { StackNodes } from './nodes.ts'
import type { StackCommand } from './stack_command.ts'

export interface CompiledHost<N> {
  readonly name: string
  /** Names of the roles. */
  readonly roles: readonly string[]
  readonly definitions: readonly Role<N>[]
  readonly mergedNode: Node<unknown>
  readonly node: N
  readonly plan: Plan
}

/** Makes the facts of a host from the stack file alone. */
export function factsOf({ name, cpus, prefix, sudo, user }: StackHost): Facts {
  const root = prefix === undefined && (sudo !== false || user === 'root')
  const account = root ? {} : { uid: 1000, gid: 1000, user: user ?? null, group: null }
  return { ...neutralFacts, ...account, hostname: name, cpu: { total: cpus ?? neutralFacts.cpu.total } }
}

/** Builds what is compiled of a host of a stack, without its connection. */
export async function stackHostInput<N>(
  { catalogue, secrets }: StackCommand<N>,
  nodes: StackNodes<N>,
  host: StackHost,
): Promise<HostInput<N>> {
  const { roles, mergedNode } = await nodes.build(host, factsOf(host))
  return { catalogue, secrets, roles, mergedNode, run: operatorRun(nodes), memory: nodes.memory }
}

/** Returns the facts of a run on the operator's computer: recipes must not read that as if it were the host. */
function operatorRun({ operator }: Pick<StackNodes<never>, 'operator'>): HostInput<never>['run'] {
  return { options: {}, by: operator }
}

export async function compileStackHost<N>(
  call: StackCommand<N>,
  nodes: StackNodes<N>,
  host: StackHost,
): Promise<CompiledHost<N>> {
  const input = await stackHostInput(call, nodes, host)
  const { roles, mergedNode } = input
  const names = roles.map(({ name }) => name)
  return { name: host.name, roles: names, definitions: roles, mergedNode, ...compileHost(input, defaultEvents) }
}

interface CheckedHost<N> {
  /** Null if the host has mistakes. */
  readonly compiled: CompiledHost<N> | null
  /** Warnings about its attributes. */
  readonly warnings: readonly string[]
  readonly problems: readonly ConvergeError[]
}

/** Finds all mistakes in hosts of a stack. */
export class HostCheck<N> {
  private readonly compiledRoles = new Set<string>()

  /** @param userRoles roles of the stack's own recipes */
  constructor(
    private readonly call: StackCommand<N>,
    private readonly nodes: StackNodes<N>,
    private readonly userRoles: readonly Role<N>[],
  ) {}

  /** @param lost paths of the stack file below which attributes could not be read */
  async of(host: StackHost, lost: StackDraft['unreadPaths']): Promise<CheckedHost<N>> {
    const { catalogue, secrets } = this.call
    const { roles, draft } = await this.nodes.draft(host, factsOf(host))
    const warnings = draft.node.warnings.map(warningText)
    const names = roles.map(({ name }) => name)
    const suspect = {
      draft,
      roles,
      node: (mergedNode: Node<unknown>, events: readonly string[]) =>
        recipeNode({ catalogue, roles, mergedNode, run: operatorRun(this.nodes) }, events),
      mask: (text: string) => secrets.mask(text),
    }
    const others = this.otherRuns(roles)
    if (draft.problems.length === 0) {
      const node = suspect.node(draft.node, defaultEvents)
      const { plan, problems } = draftPlan(roles, defaultEvents, node, {
        mask: suspect.mask,
        memory: this.nodes.memory,
      })
      const isSound = problems.length === 0 && (await draftFiles(plan)).problems.length === 0
      if (isSound && (await mistakesOf({ ...suspect, runs: others }, draft.node)).length === 0)
        return {
          warnings,
          compiled: { name: host.name, roles: names, definitions: roles, mergedNode: draft.node, node, plan },
          problems: [],
        }
    }
    const isLost = (attribute: string | undefined) => lost.some((path) => mayHold(path, host, attribute))
    return {
      warnings,
      compiled: null,
      problems: await diagnose({ ...suspect, runs: [defaultEvents, ...others], mayBeUnread: isLost }),
    }
  }

  /**
   * Lists the other runs that commands start: a rollout compiles the deploy first, and each event may run alone. Those
   * of built-in roles are compiled for one host only, because they hardly differ on other hosts.
   */
  private otherRuns(roles: readonly Role<N>[]): readonly (readonly string[])[] {
    const key = JSON.stringify(roles.map(({ name }) => name))
    if (this.compiledRoles.has(key) && !roles.some((role) => this.userRoles.includes(role))) return []
    this.compiledRoles.add(key)
    const events = new Set(roles.flatMap((role) => [...role.events.keys()]))
    return [['deploy', 'setup', 'configure'], ...[...events].map((event) => [event])]
  }
}

/**
 * Decides whether a value of the stack file that could not be read may contain an attribute of a host.
 * @param attribute undefined: any
 */
function mayHold(path: KeyPath, { name, layers }: StackHost, attribute: string | undefined): boolean {
  const [top, entry, key] = path
  if (top === 'apps') return overlap(formatPath(['deploy', ...path.slice(1)]), attribute)
  if (top === 'custom_json') return overlap(attributeIn(path.slice(1)), attribute)
  const isOwn = top === 'hosts' ? entry === name : top === 'layers' && layers.includes(String(entry))
  if (entry === undefined) return top === 'hosts' || top === 'layers'
  return isOwn && (key === undefined || (key === 'attributes' && overlap(attributeIn(path.slice(3)), attribute)))
}

/** Returns the attribute at a path in custom JSON; empty for a whole document, which may be an item of a list. */
function attributeIn(path: KeyPath): string {
  return typeof path[0] === 'number' ? formatPath(path.slice(1).filter(() => path[1] !== 'value')) : formatPath(path)
}

function overlap(one: string, other: string | undefined): boolean {
  if (other === undefined || one === '') return true
  const isIn = (inner: string, outer: string) => inner === outer || /^[.[]/.test(inner.slice(outer.length))
  return (one.startsWith(other) && isIn(one, other)) || (other.startsWith(one) && isIn(other, one))
}

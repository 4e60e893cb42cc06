/** Compiles the roles of a host: for a run on the host itself, and for the checks and rollouts of a stack. */
import { randomUUID } from 'node:crypto'
import { compile, type Plan } from '../../compile/compile.ts'
import type { PropsMemory } from '../../compile/props_memory.ts'
import type { Role } from '../../compile/role.ts'
import { omitUndefined } from '../../model/omit_undefined.ts'
import type { Secrets } from '../../model/secrets.ts'
import { withLocations } from '../../node/located.ts'
import type { Node } from '../../node/node.ts'
import { parsePath } from '../../node/path.ts'
import { locateIn } from '../../node/setting_layer.ts'
import type { Catalogue, RunFacts } from '../catalogue.ts'

/** A host to compile, with its roles and its merged attributes. */
export interface HostInput<N> {
  readonly catalogue: Catalogue<N>
  readonly secrets: Secrets
  readonly roles: readonly Role<N>[]
  readonly mergedNode: Node<unknown>
  /** Facts of the run; `id` is a new one by default. */
  readonly run: Pick<RunFacts, 'options' | 'by'> & Partial<Pick<RunFacts, 'id'>>
  /** Memory that the compilations of several hosts share. */
  readonly memory?: PropsMemory
}

/** Builds the node that recipes get. */
export function recipeNode<N>(
  { catalogue, roles, mergedNode, run }: Pick<HostInput<N>, 'catalogue' | 'roles' | 'mergedNode' | 'run'>,
  events: readonly string[],
): N {
  return catalogue.node(mergedNode, {
    ...run,
    id: run.id ?? randomUUID(),
    events,
    roles: roles.map(({ name }) => name),
    locate: (path) => locateIn(mergedNode.layers, mergedNode.states, parsePath(path)),
  })
}

/**
 * Compiles the given events; errors name the file and line of the attribute that causes them.
 * @param roles default: all roles of the host
 * @throws InvalidInput with every problem of every recipe
 */
export function compileHost<N>(
  input: HostInput<N>,
  events: readonly string[],
  roles: readonly Role<N>[] = input.roles,
): { readonly node: N; readonly plan: Plan } {
  const { mergedNode, secrets, memory } = input
  const node = recipeNode(input, events)
  const options = { mask: (text: string) => secrets.mask(text), ...omitUndefined({ memory }) }
  const plan = withLocations(mergedNode, () => compile(roles, events, node, options))
  return { node, plan: { ...plan, bind: (host) => withLocations(mergedNode, () => plan.bind(host)) } }
}

/** Builds the nodes of a stack's hosts on the operator's computer; builds their common parts once. */
import { PropsMemory } from '../../compile/props_memory.ts'
import type { Role } from '../../compile/role.ts'
import { nodeDocuments, rolesOf } from '../../fleet/stack/documents.ts'
import type { StackHost } from '../../fleet/stack/stack.ts'
import { withOwnAttributes } from '../../load/own_attributes.ts'
import { throwProblems } from '../../model/errors.ts'
import type { Facts } from '../../node/facts.ts'
import type { Layer } from '../../node/layer.ts'
import type { JsonObject } from '../../node/merge.ts'
import { draftNode, type Node, type NodeDraft } from '../../node/node.ts'
import type { Schemas } from '../../node/notes.ts'
import { documentLayer } from '../../node/parse_layer.ts'
import { share } from '../../node/shared_values.ts'
import { withWarnings } from '../inputs/input_warnings.ts'
import { author, warningText } from '../inputs/read_inputs.ts'
import { roleLayer } from '../inputs/role_layer.ts'
import type { StackInputs } from './inputs.ts'
import type { StackCommand } from './stack_command.ts'

interface BuiltNode<N> {
  readonly roles: readonly Role<N>[]
  readonly mergedNode: Node<unknown>
}

interface DraftedNode<N> {
  readonly roles: readonly Role<N>[]
  readonly draft: NodeDraft<unknown>
}

/** Builds nodes in which every host that is not stopped counts as online. */
export class StackNodes<N> {
  /** Memory that the compilations of all hosts share. */
  readonly memory = new PropsMemory()
  /** The account of the operator: finding it reads files of the system, once for all hosts. */
  readonly operator = author()
  private readonly online: ReadonlySet<string>
  private readonly roles = new Map<string, readonly Role<N>[]>()
  private readonly roleLayers = new Map<Role<N>, Layer>()
  private readonly learnedNames = new Set<string>()

  private constructor(
    private readonly call: StackCommand<N>,
    private readonly inputs: StackInputs<N>,
    private readonly schemas: Schemas,
    private readonly foreignKeys: readonly string[],
  ) {
    this.online = new Set(inputs.stack.hosts.map(({ name }) => name))
  }

  static async of<N>(call: StackCommand<N>, inputs: StackInputs<N>): Promise<StackNodes<N>> {
    const { catalogue } = call
    return new StackNodes(call, inputs, withOwnAttributes(await catalogue.schemas()), await catalogue.foreignKeys())
  }

  /**
   * Builds the node of a host, and learns its secrets.
   * @throws InvalidInput with all problems of its attributes
   */
  async build(host: StackHost, facts: Facts): Promise<BuiltNode<N>> {
    const { roles, draft } = await this.draft(host, facts)
    await withWarnings(
      () => draft.node.warnings.map(warningText),
      () => throwProblems(draft.problems, 'the attributes are not valid'),
    )
    return { roles, mergedNode: draft.node }
  }

  /** Builds the node of a host without its invalid attributes. */
  async draft({ name }: StackHost, facts: Facts): Promise<DraftedNode<N>> {
    const { schemas, foreignKeys } = this
    const roles = await this.rolesOf(name)
    const layers = await this.documentsOf(name)
    for (const role of roles) if (Object.keys(role.attributes).length > 0) layers.push(this.layerOf(role))
    const draft = draftNode({ layers, facts, schemas, foreignKeys })
    this.learnSecrets(draft.node)
    return { roles, draft }
  }

  /**
   * Learns the secrets of a host from its attributes, without its roles: a faulty recipe must not block a command.
   * @returns the merged attributes of the host, without defaults
   */
  async learnSecretsOf({ name }: StackHost, facts: Facts): Promise<JsonObject> {
    const { schemas, foreignKeys } = this
    const { node } = draftNode({ layers: await this.documentsOf(name), facts, schemas, foreignKeys })
    this.learnSecrets(node)
    return node.states.at(-1) ?? {}
  }

  private documentsOf(host: string): Promise<Layer[]> {
    const { inputs, online } = this
    return Promise.all(nodeDocuments(inputs.stack, host, { online }).map(documentLayer))
  }

  private async rolesOf(host: string): Promise<readonly Role<N>[]> {
    const names = rolesOf(this.inputs.stack, host)
    const key = JSON.stringify(names)
    const roles = this.roles.get(key) ?? (await this.inputs.roles(names))
    this.roles.set(key, roles)
    return roles
  }

  private layerOf(role: Role<N>): Layer {
    const cached = this.roleLayers.get(role)
    if (cached !== undefined) return cached
    const unsharedLayer = roleLayer(role)
    const layer = { ...unsharedLayer, value: share(unsharedLayer.value) }
    this.roleLayers.set(role, layer)
    return layer
  }

  private learnSecrets({ secrets, names }: Node<unknown>): void {
    for (const secret of secrets) this.call.secrets.add(secret)
    const key = JSON.stringify(names)
    if (!this.learnedNames.has(key)) this.call.secrets.useNames(names)
    this.learnedNames.add(key)
  }
}

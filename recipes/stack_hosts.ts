/** Looks up hosts of the stack for recipes: who is in a layer, who is online, their addresses. */
import { callerOf } from '../core/compile/source.ts'
import { ConvergeError } from '../core/model/errors.ts'
import { nearest } from '../core/model/nearest.ts'
import type { SiteNode } from './node.ts'
import { hostAddress, isThisHost } from './site/hosts.ts'

/** A host of the stack. */
export interface StackHost {
  readonly name: string
  /**
   * Address at which other hosts of the stack reach it: its public DNS name, else its private DNS name, private IP or public IP.
   * @throws NO_ADDRESS if the stack gives it none
   */
  readonly address: string
  readonly privateIp: string | null
  readonly publicIp: string | null
  /** Short names of its layers. */
  readonly layers: readonly string[]
  /** Whether other hosts may use it. This host counts as online. */
  readonly online: boolean
  /** State such as `online`, `booting` or `stopped`. */
  readonly status: string
  readonly zone: string | null
  /** Whether it is the host of this run. */
  readonly isSelf: boolean
}

/** Selects hosts of the stack. */
export interface HostFilter {
  /** Short name of a layer; default: all layers. */
  readonly layer?: string
  /** Only hosts that are online, or only others; default: all. */
  readonly online?: boolean
}

/** The stack to which the host of a run belongs. */
export interface StackHosts {
  readonly name: string
  /** The host of this run; undefined if the stack does not list it. */
  readonly self: StackHost | undefined
  /**
   * Returns the hosts that match, in the order of the stack.
   * @throws UNKNOWN_LAYER if the layer resembles one of the stack; a layer that the stack does not have is empty
   */
  hosts(filter?: HostFilter): readonly StackHost[]
  /** Returns the first host that matches. */
  first(filter?: HostFilter): StackHost | undefined
  /** Returns the addresses of the hosts that match. */
  addresses(filter?: HostFilter): readonly string[]
}

/**
 * Returns the hosts of the stack, as the attributes below `opsworks` list them. It replaces Chef's `search`.
 *
 * @param node the node of the recipe
 * @example
 * const workers = stack(node).addresses({ layer: 'worker', online: true })
 * const isFirst = stack(node).first({ layer: 'worker', online: true })?.isSelf === true
 */
export function stack(node: Pick<SiteNode, 'opsworks'>): StackHosts {
  const { opsworks } = checkedNode(node)
  const hostsByName = new Map<string, StackHost & { layers: string[] }>()
  for (const [layer, { instances }] of Object.entries(opsworks.layers))
    for (const [name, instance] of Object.entries(instances)) {
      const known = hostsByName.get(name)
      if (known !== undefined) {
        known.layers.push(layer)
        continue
      }
      const isSelf = isThisHost(name, instance, opsworks.instance)
      hostsByName.set(name, {
        name,
        get address() {
          return hostAddress(instance, name)
        },
        privateIp: instance.private_ip,
        publicIp: instance.ip,
        layers: [layer],
        online: isSelf || instance.status === 'online',
        status: instance.status,
        zone: instance.availability_zone,
        isSelf,
      })
    }
  const hosts = (filter: HostFilter = {}) => {
    checkFilter(filter)
    const { layer, online } = filter
    if (layer !== undefined) checkLayer(layer, Object.keys(opsworks.layers))
    return [...hostsByName.values()].filter(
      (host) =>
        (layer === undefined || host.layers.includes(layer)) && (online === undefined || host.online === online),
    )
  }
  return {
    name: opsworks.stack.name,
    self: [...hostsByName.values()].find(({ isSelf }) => isSelf),
    hosts,
    first: (filter) => hosts(filter)[0],
    addresses: (filter) => hosts(filter).map(({ address }) => address),
  }
}

/** Finds an argument that is no node, such as the object that a test of a function passes. */
function checkedNode(node: Pick<SiteNode, 'opsworks'> | undefined): Pick<SiteNode, 'opsworks'> {
  if (typeof node?.opsworks?.layers === 'object' && typeof node.opsworks.stack === 'object') return node
  throw new ConvergeError('stack: expected the node of a recipe', {
    code: 'INVALID_CALL',
    hint: 'call it in a recipe with its second argument: deploy(r, node) { stack(node).hosts() }',
    usage: true,
    source: callerOf(new Error().stack),
  })
}

const filterKeys = ['layer', 'online']

/** Finds a misspelt key, without which all hosts would match. */
function checkFilter(filter: HostFilter): void {
  const unknown = Object.keys(filter).find((key) => !filterKeys.includes(key))
  if (unknown === undefined) return
  throw new ConvergeError(`stack: hosts have no filter "${unknown}"`, {
    code: 'INVALID_CALL',
    hint: nearest(unknown, filterKeys) ?? `use ${filterKeys.join(' or ')}`,
    usage: true,
    source: callerOf(new Error().stack),
  })
}

/** Finds a misspelt layer, whose hosts would silently be none. */
function checkLayer(layer: string, layers: readonly string[]): void {
  if (layers.includes(layer)) return
  const near = nearest(layer, layers)
  if (near === undefined) return
  throw new ConvergeError(`the stack has no layer ${layer}`, {
    code: 'UNKNOWN_LAYER',
    hint: near,
    usage: true,
    source: callerOf(new Error().stack),
  })
}

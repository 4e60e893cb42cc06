/** Builds the documents of a host's node: the node JSON in OpsWorks format, then the custom JSON of each level. */
import type { SourceLocation } from '../../model/errors.ts'
import { omitUndefined } from '../../model/omit_undefined.ts'
import type { JsonObject } from '../../node/merge.ts'
import type { Document } from '../../node/parse_layer.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { jsonCopy, share } from '../../node/shared_values.ts'
import { stackFilePath } from './apps.ts'
import type { Stack, StackHost, StackLayer } from './stack.ts'

/** Role of every host of a stack: the packages and updates of its layers. */
export const baseRole = 'base'

export interface DocumentOptions {
  /** Names of the hosts that are online; a host whose status is `stopped` never is. The set must not change. */
  readonly online: ReadonlySet<string>
  /** Attributes that the rollout itself sets, such as the commits. */
  readonly deployment?: JsonObject | undefined
  /** The current action, for `opsworks.activity`. */
  readonly activity?: string | undefined
}

/** Returns the roles of a host: `base`, then those of its layers in the order of the stack. */
export function rolesOf(stack: Stack, host: string): readonly string[] {
  return [...new Set([baseRole, ...layersOf(stack, hostNamed(stack, host)).flatMap(({ roles }) => roles)])]
}

const hostsByName = new WeakMap<Stack, ReadonlyMap<string, StackHost>>()

/** @throws where the stack has no such host, which is an error of the caller */
export function hostNamed(stack: Stack, name: string): StackHost {
  const hosts = hostsByName.get(stack) ?? new Map(stack.hosts.map((host) => [host.name, host]))
  hostsByName.set(stack, hosts)
  const found = hosts.get(name)
  if (found === undefined) throw new TypeError(`the stack ${stack.name} has no host ${name}`)
  return found
}

function layersOf(stack: Stack, host: StackHost): readonly StackLayer[] {
  return stack.layers.filter(({ name }) => host.layers.includes(name))
}

/**
 * Builds the documents of a host's node, lowest first: the node JSON of the stack, then the custom JSON of the stack,
 * of the layers in their order, of the host, and of the deployment. A list of operations is a JSON Patch.
 * @param name of a host of the stack
 */
export function nodeDocuments(stack: Stack, name: string, options: DocumentOptions): readonly Document[] {
  const host = hostNamed(stack, name)
  const { deployment } = options
  const document = { name: stack.file, kind: 'stack', value: nodeJson(stack, host, options) } as const
  return [
    { ...document, locate: (path, what) => placeInStack(stack, host, path, what) },
    ...stack.documents,
    ...layersOf(stack, host).flatMap(({ documents }) => documents),
    ...host.documents,
    ...(stack.deploymentDocuments ?? []),
    ...(deployment === undefined ? [] : [{ name: 'this deployment', kind: 'deployment', value: deployment } as const]),
    ...prefixDocument(stack, host),
  ]
}

/** Sets the same attribute as `--prefix` on the host. */
function prefixDocument({ file, locate }: Stack, { name, prefix }: StackHost): Document[] {
  if (prefix === undefined) return []
  const path = ['hosts', name, 'prefix']
  const value = { converge: { prefix } }
  return [{ name: `${file}: ${formatPath(path)}`, kind: 'deployment', value, locate: () => locate(path) }]
}

function nodeJson(stack: Stack, host: StackHost, { online, activity }: DocumentOptions): JsonObject {
  const layers = layersOf(stack, host)
  const packages = [...new Set(layers.flatMap((layer) => layer.packages))]
  const updates = layers.map((layer) => layer.automaticUpdates).filter((one) => one !== undefined)
  const converge = {
    ...(packages.length > 0 ? { packages } : {}),
    ...(updates.length > 0 ? { automatic_updates: updates.includes(true) } : {}),
  }
  const common = commonPart(stack, online)
  return {
    opsworks: {
      stack: { name: stack.name },
      instance: {
        ...instanceOf(host, true),
        layers: host.layers,
        ...omitUndefined({ region: host.region }),
      },
      layers: common.layers,
      applications: common.applications,
      ...omitUndefined({ activity }),
    },
    ...(host.cpus === undefined ? {} : { cpu: { total: host.cpus } }),
    ...(Object.keys(converge).length > 0 ? { converge } : {}),
    deploy: common.deploy,
  }
}

/** The part of the node JSON that is the same for every host of the stack. */
interface CommonPart {
  readonly layers: JsonObject
  readonly applications: readonly JsonObject[]
  readonly deploy: JsonObject
}

const commonParts = new WeakMap<Stack, WeakMap<ReadonlySet<string>, CommonPart>>()

/** Builds the common part once for all hosts, because each of its layers lists all hosts of the layer. */
function commonPart(stack: Stack, online: ReadonlySet<string>): CommonPart {
  const known = commonParts.get(stack) ?? new WeakMap<ReadonlySet<string>, CommonPart>()
  commonParts.set(stack, known)
  const found = known.get(online)
  if (found !== undefined) return found
  const instances = (layer: string) =>
    Object.fromEntries(
      stack.hosts
        .filter((one) => one.layers.includes(layer))
        .map((one) => [one.name, instanceOf(one, online.has(one.name) && one.status === 'online')]),
    )
  const { layers, apps } = stack
  const common = share({
    layers: Object.fromEntries(layers.map(({ name, title }) => [name, { name: title, instances: instances(name) }])),
    applications: apps.map(({ name, title, type }) => ({ name: title, slug_name: name, application_type: type })),
    deploy: jsonCopy(Object.fromEntries(apps.map((app) => [app.name, app.deploy]))),
  })
  known.set(online, common)
  return common
}

/** Describes a host; unknown values are left out, as in the attributes. */
function instanceOf(host: StackHost, online: boolean): JsonObject {
  const { name, backends, zone, privateIp, privateDnsName, publicDnsName, ip } = host
  const known = {
    hostname: name,
    private_ip: privateIp,
    private_dns_name: privateDnsName,
    public_dns_name: publicDnsName,
    ip,
    availability_zone: zone,
    status: online ? 'online' : 'stopped',
    backends,
  }
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
}

const addressKeys: Readonly<Record<string, string>> = { availability_zone: 'zone' }

const locationsByStack = new WeakMap<Stack, Map<string, SourceLocation>>()

/** Locates a path in the file, and caches it: the hosts of a stack have most of their node JSON in common. */
function placeInFile(stack: Stack, path: KeyPath, what: 'value' | 'key' = 'value'): SourceLocation {
  const locations = locationsByStack.get(stack) ?? new Map<string, SourceLocation>()
  locationsByStack.set(stack, locations)
  const key = JSON.stringify([path, what])
  const found = locations.get(key) ?? stack.locate(path, what)
  locations.set(key, found)
  return found
}

/** Locates the source of a path of the node JSON in the stack file. */
function placeInStack(stack: Stack, host: StackHost, path: KeyPath, what?: 'value' | 'key'): SourceLocation {
  const [top, second, third, fourth, fifth, ...rest] = path
  if (top === 'deploy' && second !== undefined)
    return placeInFile(stack, ['apps', second, ...stackFilePath(path.slice(2))], what)
  if (top === 'cpu') return placeInFile(stack, ['hosts', host.name, 'cpus'], what)
  if (top === 'converge') return placeInFile(stack, ['layers'])
  if (second === 'stack') return placeInFile(stack, ['name'])
  if (second === 'instance') return inHost(stack, host.name, third, what)
  if (second === 'layers' && fourth === 'instances' && fifth !== undefined)
    return inHost(stack, String(fifth), rest[0], what)
  if (second === 'layers' && third !== undefined) return placeInFile(stack, ['layers', third], what)
  return placeInFile(stack, ['apps'])
}

function inHost(stack: Stack, host: string, key: string | number | undefined, what?: 'value' | 'key'): SourceLocation {
  const path = ['hosts', host, ...(key === undefined ? [] : [addressKeys[key] ?? key])]
  return placeInFile(stack, path, what)
}

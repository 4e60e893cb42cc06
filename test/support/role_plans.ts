/** Builds the node that recipes receive for given attributes, and plans the resources that roles declare for it. */
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { compile, type Plan } from '../../core/compile/compile.ts'
import type { HostReader } from '../../core/host/types.ts'
import { type Facts, neutralFacts } from '../../core/node/facts.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { recipeNode, type SiteNode } from '../../recipes/node.ts'

interface NodeOptions {
  readonly facts?: Partial<Facts>
  readonly events?: readonly string[]
  readonly roles?: readonly string[]
}

/** Builds the node for attributes in site.json, as root on a host with systemd unless the options say otherwise. */
export function roleNode(json: JsonObject, { facts = {}, events = [], roles }: NodeOptions = {}): SiteNode {
  const layers = [objectLayer(json, 'site.json', 'deployment')]
  const known = { ...neutralFacts, uid: 0, init: 'systemd' as const, ...facts }
  const built = buildNode({ layers, facts: known, schemas: attributeSchemas, foreignKeys })
  return recipeNode(built, { id: '1', events, by: 'tester', options: {}, ...(roles && { roles }) })
}

/**
 * Plans what roles declare for attributes.
 * @param roles names, separated by commas
 */
export async function planned(
  roles: string,
  json: JsonObject,
  {
    event = 'deploy',
    host = null as HostReader | null,
    root = true,
    uid = undefined as number | undefined,
    init = 'systemd' as Facts['init'],
  } = {},
): Promise<Plan> {
  const loaded = await Promise.all(roles.split(',').map((name) => catalogue.roles[name]?.load()))
  if (!loaded.every((one) => one !== undefined)) throw new Error(`no role ${roles}`)
  const events = event.split(',')
  const attributes = root ? json : { ...json, converge: { ...(json.converge as JsonObject), prefix: '/home/jane' } }
  const node = roleNode(attributes, { events, roles: roles.split(','), facts: { uid: uid ?? (root ? 0 : 1000), init } })
  const plan = compile(loaded, events, node)
  return host === null ? plan : plan.bind(host)
}

/** Builds the `node` of recipes: the attributes, the facts, and the run for which a recipe is compiled. */
import type { Attributes } from '../attributes/index.ts'
import type { RunFacts } from '../core/cli/catalogue.ts'
import type { AttributeDefinition, OwnAttributes } from '../core/load/own_attributes.ts'
import type { Facts } from '../core/node/facts.ts'
import type { Node } from '../core/node/node.ts'
import { parsePath } from '../core/node/path.ts'
import { isSetByInput } from '../core/node/setting_layer.ts'

/** The node of a recipe: the attributes, the facts of the host, and the run. */
export interface SiteNode extends Attributes {
  readonly facts: Facts
  readonly cpu: { readonly total: number }
  readonly run: RunFacts
  /** Decides whether an attribute such as `plone_solr.data_dir` is set; false for defaults. */
  readonly isGiven: (path: string) => boolean
}

/** The node with attributes that recipes define: `NodeWith<typeof myApp>`; of several definitions, `NodeWith<typeof one | typeof other>`. */
export type NodeWith<D extends AttributeDefinition> = SiteNode & OwnAttributes<D>

/**
 * Builds the node with lazy attributes: only the keys that recipes read are computed. It is frozen, so that a recipe that
 * sets an attribute fails instead of doing nothing.
 */
export function recipeNode(built: Node<unknown>, run: RunFacts): SiteNode {
  const node = Object.create(built.attributes as object, {
    facts: { value: built.facts, enumerable: true },
    run: { value: run, enumerable: true },
    isGiven: { value: (path: string) => isSetByInput(built, parsePath(path)) },
  }) as SiteNode
  return Object.freeze(node)
}

/** Places an absolute path of the attributes below the prefix, if there is one. */
export function underPrefix(node: Pick<SiteNode, 'converge'>, path: string): string {
  const { prefix } = node.converge
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`) ? path : `${prefix}${path}`
}

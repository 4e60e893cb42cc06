/** Types the definition of a role: its attributes are checked against the schemas of the built-in and the recipe's own keys. */
import type { AttributeInputs } from '../attributes/index.ts'
import { role as defineRole, type Role, type RoleDefinition } from '../core/compile/role.ts'
import type { SiteNode } from './node.ts'

/** Values for some of the attributes, at any depth. */
type Some<T> = T extends readonly (infer E)[]
  ? readonly E[]
  : T extends object
    ? { readonly [K in keyof T]?: Some<T[K]> }
    : T

/** Attributes that a role may set: those that users may set, and those that the recipes of `N` define. */
export type RoleAttributes<N> = {
  readonly [K in keyof AttributeInputs]?: Some<AttributeInputs[K]>
} & { readonly [K in Exclude<keyof N, keyof SiteNode>]?: Some<N[K]> }

/**
 * Defines a role: what each of its events declares.
 *
 * @param name letters, digits, `.`, `_` and `-`; users write it after `--role`
 * @param definition a recipe for each event; `doc` for `--help`; `attributes` that the role sets: above the stack's
 * attributes, below the host's; `extends` for a role whose events this one takes over
 * @throws InvalidInput if the name or a part of the definition is not valid
 * @example
 * export default role('status-page', {
 *   doc: 'A page that lists the hosts of the stack',
 *   attributes: { plone_instances: { per_cpu: 2 } },
 *   deploy(r, node) { file(r, { path: '/srv/www/status', content: node.opsworks.stack.name }) },
 * })
 */
export function role<N = SiteNode>(
  name: string,
  definition: Omit<RoleDefinition<N>, 'attributes'> & { readonly attributes?: RoleAttributes<N> },
): Role<N> {
  return defineRole<N>(name, definition as RoleDefinition<N>)
}

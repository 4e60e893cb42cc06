/** What the command line is given to work with: the roles, resources and attributes of a distribution. */

import type { ZodType } from 'zod'
import type { Role } from '../compile/recipe.ts'
import type { HostReader } from '../host/types.ts'
import type { AnyDefinition } from '../model/resource.ts'
import type { Node } from '../node/node.ts'

export interface Catalogue<N> {
  readonly version: string
  readonly roles: Readonly<Record<string, { readonly doc: string; load(): Promise<Role<N>> }>>
  /** Schemas of the attributes, by top-level key. */
  schemas(): Promise<Readonly<Record<string, ZodType>>>
  /** Top-level keys of others that are kept without a word. */
  foreignKeys(): Promise<readonly string[]>
  /** What recipes see. */
  node(built: Node<unknown>, run: RunFacts): N
  resources(): Promise<Readonly<Record<string, AnyDefinition>>>
  /** What recipes of one's own import from `converge-engine`. */
  api(): Promise<object>
}

/** What a recipe may know of the run it is compiled for. */
export interface RunFacts {
  /** Different for every run. */
  readonly id: string
  readonly events: readonly string[]
  /** Options of the command, e.g. the release to roll back to. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  /** The host as it is now, to look at only; null where nothing may be looked up. */
  readonly host: HostReader | null
  /** Who asked for the run. */
  readonly by: string
}

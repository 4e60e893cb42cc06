/** Defines a kind of server, with the functions in which its role differs from the others. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Source } from '../app/checkout.ts'
import type { AttributeWarning } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'
import type { Server } from './server.ts'

/** A kind of server, with the functions in which its role differs from the others. */
export interface ServerKind {
  /** Name of its role. */
  readonly role: string
  server(node: SiteNode): Server
  /** Debian packages that it requires beside git, supervisor and nginx. */
  readonly packages: readonly string[]
  /** Packages of programs that the command may start. */
  readonly programs: Readonly<Record<string, string>>
  /** Further checks of `doctor`. */
  checks?(node: SiteNode, host: HostReader): readonly HostCheck[]
  /** Declares the source of releases, and returns it; null if the attributes name none. */
  source(r: Recipe<SiteNode>, node: SiteNode, server: Server): Source | null
  /** Script that builds a release; null for none. */
  build(node: SiteNode, server: Server): string | null
  /** Configuration to write into a release before its build: content by path. */
  files?(node: SiteNode): Readonly<Record<string, string>>
  /** The warning if there is no source. */
  noSource(node: SiteNode): AttributeWarning
  /** Links beside `current`: name → path in the current release. */
  readonly links: Readonly<Record<string, string>>
}

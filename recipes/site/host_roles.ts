/** Names the roles of this host, also in a run of only some of them. */
import type { SiteNode } from '../node.ts'

/** Returns the roles of this run, and those that the attributes give to the host. */
export function hostRoles({ run, converge }: Pick<SiteNode, 'run' | 'converge'>): readonly string[] {
  return [...new Set([...(run.roles ?? []), ...converge.roles])]
}

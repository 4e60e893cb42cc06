/** Names the roles of this host, also in a run of only some of them. */
import type { SiteNode } from '../node.ts'

/** Returns the roles of this run, and those that the attributes give to the host. */
export function hostRoles({ run, converge }: Pick<SiteNode, 'run' | 'converge'>): readonly string[] {
  return [...new Set([...(run.roles ?? []), ...converge.roles])]
}

const nginxRoles: readonly string[] = ['frontend', 'port-app', 'php-app', 'jetty-app']

/** Decides whether a role of the host serves its sites by the nginx of the system. */
export function hasNginx(node: SiteNode): boolean {
  const roles = hostRoles(node)
  return (
    roles.some((role) => nginxRoles.includes(role)) || (roles.includes('console') && node.console.server_name !== null)
  )
}

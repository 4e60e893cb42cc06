/** Names the apps that a role deploys: those with a source. */
import type { SiteNode } from './node.ts'

/** Returns the app if its attributes name a repository; without one, its role deploys nothing. */
export function withRepository({ deploy }: SiteNode, app: string): readonly string[] {
  return deploy[app]?.scm?.repository ? [app] : []
}

/** Names the apps that a role deploys: those with a source. */
import type { SiteNode } from './node.ts'

/** Returns the app if its attributes name a repository; without one, its role deploys nothing. */
export function withRepository({ deploy }: SiteNode, app: string): readonly string[] {
  return deploy[app]?.scm?.repository ? [app] : []
}

/** Decides whether a deploy is only for other apps (`converge stack deploy --app`), and leaves this one as it is. */
export function deploysOnlyOthers({ converge: { deployed_apps } }: SiteNode, app: string): boolean {
  return deployed_apps !== null && !deployed_apps.includes(app)
}

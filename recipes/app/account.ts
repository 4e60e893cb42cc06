/** Declares the account and the directories that every app requires before its first release. */
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { group } from '../../resources/accounts/group.ts'
import { user } from '../../resources/accounts/user.ts'
import { directory } from '../../resources/files/directory.ts'
import { symlink } from '../../resources/files/symlink.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'

/** Declares the app's account; none for an ordinary user, who owns all files anyway. */
export function declareAccount(r: Recipe<SiteNode>, app: App): void {
  const { owner, group: groupName } = app.owner
  if (groupName !== undefined) group(r, { name: groupName })
  if (owner === undefined || owner === 'root') return
  user(r, {
    name: owner,
    group: groupName,
    home: app.attributes.home ?? `/home/${owner}`,
    shell: app.attributes.shell ?? '/bin/bash',
    manageHome: true,
  })
}

/** Declares the directories of an app that consists of its releases only. */
export function releaseDirectories(r: Recipe<SiteNode>, app: App, guard: CommonOptions = {}): void {
  const modes = [
    [app.deployTo, '0755'],
    [app.releases, '0755'],
    [app.shared, '0770'],
  ] as const
  for (const [path, mode] of modes)
    r.unlessDeclared('directory', path, () => {
      directory(r, { path, parents: true, mode, ...app.owner, ...guard })
    })
}

/** Removes the releases of an app and the links to them, but not `shared` unless --purge is given. */
export function removeReleases(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: App,
  links: readonly string[] = [app.current],
): void {
  for (const path of links) symlink(r, { path, absent: true })
  directory(r, { path: node.run.options.purge === true ? app.deployTo : app.releases, absent: true })
}

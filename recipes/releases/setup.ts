/** Declares the account and the directories that every app requires before its first release. */
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { group } from '../../resources/accounts/group.ts'
import { user } from '../../resources/accounts/user.ts'
import { directory } from '../../resources/files/directory.ts'
import { symlink } from '../../resources/files/symlink.ts'
import type { PloneNode } from '../node.ts'
import type { AppLayout } from './layout.ts'

/** Declares the app's account; none for an ordinary user, who owns all files anyway. */
export function accounts(r: Recipe<PloneNode>, at: AppLayout): void {
  const { owner, group: groupName } = at.owner
  if (groupName !== undefined) group(r, { name: groupName })
  if (owner === undefined || owner === 'root') return
  user(r, {
    name: owner,
    group: groupName,
    home: at.own.home ?? `/home/${owner}`,
    shell: at.own.shell ?? '/bin/bash',
    manageHome: true,
  })
}

/** Declares the directories of an app that consists of its releases only. */
export function releaseDirectories(r: Recipe<PloneNode>, at: AppLayout, guard: CommonOptions = {}): void {
  const modes = [
    [at.deployTo, '0755'],
    [at.releases, '0755'],
    [at.shared, '0770'],
  ] as const
  for (const [path, mode] of modes)
    if (!r.has('directory', path)) directory(r, { path, parents: true, mode, ...at.owner, ...guard })
}

/** Removes the releases of an app and the links to them, but not `shared` unless --purge is given. */
export function removeReleases(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout, links = [at.current]): void {
  for (const path of links) symlink(r, { path, absent: true })
  directory(r, { path: node.run.options.purge === true ? at.deployTo : at.releases, absent: true })
}

/** What every app needs before its first release: its account, and directories. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { directory } from '../../resources/directory.ts'
import { group } from '../../resources/group.ts'
import { symlink } from '../../resources/symlink.ts'
import { user } from '../../resources/user.ts'
import type { PloneNode } from '../node.ts'
import type { AppLayout } from './layout.ts'

/** None for an ordinary user, to whom everything belongs anyway. */
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

/** The directories of an app that is built of nothing but its releases. */
export function releaseDirectories(r: Recipe<PloneNode>, at: AppLayout, guard: CommonOptions = {}): void {
  const modes = [
    [at.deployTo, '0755'],
    [at.releases, '0755'],
    [at.shared, '0770'],
  ] as const
  for (const [path, mode] of modes)
    if (!r.has('directory', path)) directory(r, { path, parents: true, mode, ...at.owner, ...guard })
}

/** Takes the releases of an app away, and the links to them; what is below `shared` stays, unless --purge says otherwise. */
export function removeReleases(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout, links = [at.current]): void {
  for (const path of links) symlink(r, { path, absent: true })
  directory(r, { path: node.run.options.purge === true ? at.deployTo : at.releases, absent: true })
}

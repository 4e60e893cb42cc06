/** Mounts a tmpfs at /tmp. */
import type { Recipe } from '../../core/compile/role.ts'
import { mount } from '../../resources/files/mount.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'

/** Declares the mount for the setup of a role; several roles of a host declare it once. */
export function temporaryFileSystem(r: Recipe<SiteNode>, node: SiteNode): void {
  const { tmpfs, tmpfs_size } = node.tmpdir
  const { prefix } = node.converge
  if (!tmpfs) return
  if (node.facts.uid !== 0 || prefix !== '/') {
    const hint = prefix === '/' ? 'run converge as root, or remove tmpdir.tmpfs' : `remove it, or the prefix ${prefix}`
    const message = 'no tmpfs is mounted at /tmp: that needs root and the whole system'
    return warnOfAttribute(r, node, { attribute: ['tmpdir', 'tmpfs'], message, hint })
  }
  r.unlessDeclared('mount', '/tmp', () => {
    const options = ['nodev', 'nosuid', 'noatime', `size=${tmpfs_size}`, 'mode=1777']
    mount(r, { path: '/tmp', device: 'tmpfs', type: 'tmpfs', options })
  })
}

/** Mounts a tmpfs at /tmp. */
import type { Recipe } from '../../core/compile/role.ts'
import { mount } from '../../resources/files/mount.ts'
import type { SiteNode } from '../node.ts'
import { systemSetting } from './system_setting.ts'

/** Declares the mount for the setup of a role; several roles of a host declare it once. */
export function temporaryFileSystem(r: Recipe<SiteNode>, node: SiteNode): void {
  const { tmpfs, tmpfs_size } = node.tmpdir
  if (!tmpfs) return
  systemSetting(r, node, {
    attribute: ['tmpdir', 'tmpfs'],
    leftOut: 'no tmpfs is mounted at /tmp: that needs root and the whole system',
    declare: () =>
      r.unlessDeclared('mount', '/tmp', () => {
        const options = ['nodev', 'nosuid', 'noatime', `size=${tmpfs_size}`, 'mode=1777']
        mount(r, { path: '/tmp', device: 'tmpfs', type: 'tmpfs', options })
      }),
  })
}

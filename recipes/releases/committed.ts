/** The commit that a deploy would take, and the files in it, without a checkout. */
import type { HostReader } from '../../core/host/types.ts'
import { type Contents, contentsOf } from '../../resources/git/contents.ts'
import { gitReleaseProps } from '../../resources/git/props.ts'
import type { PloneNode } from '../node.ts'
import { releaseProps, sourceOf } from './checkout.ts'
import type { AppLayout } from './layout.ts'

/** Asked once for all checks of an app. */
export function committed(node: PloneNode, host: HostReader, at: AppLayout): Promise<Contents> {
  return host.once(`contents of ${at.deployTo}`, () => {
    const props = gitReleaseProps.parse({ ...releaseProps(node, at), ...sourceOf(at) })
    return contentsOf(host, props)
  })
}

/** Reads the commit that a deploy would use, and its files, without a checkout. */
import { checkProps } from '../../core/compile/props.ts'
import type { HostReader } from '../../core/host/types.ts'
import { type Contents, openContents } from '../../resources/git/contents.ts'
import { git_release } from '../../resources/git/git_release.ts'
import { gitReleaseProps } from '../../resources/git/props.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'
import { releaseProps, sourceOf } from './checkout.ts'

/** Returns the contents of the commit, read once for all checks of an app. */
export function readCommitContents(node: SiteNode, host: HostReader, app: App): Promise<Contents> {
  return host.once(`contents of ${app.deployTo}`, () => {
    const props = { ...releaseProps(node, app), ...sourceOf(app) }
    const checked = checkProps(git_release.definition, props)
    if ('problems' in checked) throw checked.problems[0]
    return openContents(host, gitReleaseProps.parse(props))
  })
}

/** Reports the releases that roles of users declare for `status` and `releases`. */
import { posix } from 'node:path'
import type { AppView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { resolveReferences } from '../../core/model/reference.ts'
import type { PlannedResource } from '../../core/model/resource.ts'
import { gitReleaseProps } from '../../resources/git/props.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import { viewsOf } from './inspect.ts'

/** Returns the apps of the git_release resources among these, with the releases that the host has. */
export async function ownReleases(resources: readonly PlannedResource[], host: HostReader): Promise<AppView[]> {
  const views = resources.map(async ({ type, props }) => {
    const parsed = type === 'git_release' ? gitReleaseProps.safeParse(resolveReferences(props, () => '/unknown')) : null
    if (parsed?.success !== true) return []
    const { app, into, shared, current, user } = parsed.data
    const directory = posix.dirname(into)
    // Before setup the account does not exist.
    const account = user === undefined || host.account(user) === null ? {} : { user }
    const releases = await viewsOf(host, { shared, account }, listReleases(host, into, current))
    return { name: app ?? posix.basename(directory), directory, releases, services: [] }
  })
  return (await Promise.all(views)).flat()
}

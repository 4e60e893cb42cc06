/** Which commits the releases of a plan would be made of, without making them. */
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { resolveReferences } from '../../core/model/reference.ts'
import type { Context, PlannedResource } from '../../core/model/resource.ts'
import { listReleases } from '../releases.ts'
import { type GitReleaseProps, gitReleaseProps } from './props.ts'
import { queryContext } from './query_context.ts'
import { wantedCommit } from './source.ts'

/** What an app would be deployed from. */
interface AppRevision {
  readonly app: string
  /** Null for a directory. */
  readonly revision: string | null
  /** Null where each host decides for itself: a directory, or a commit in short that only a fetch can tell. */
  readonly commit: string | null
}

/** By the code of git_release; nothing is written, and nothing is fetched. */
export function revisionsOf(
  resources: readonly PlannedResource[],
  host: HostReader,
  { warn, secret }: Pick<Context, 'warn' | 'secret'>,
): Promise<AppRevision[]> {
  const releases = resources.filter(({ type }) => type === 'git_release')
  return Promise.all(
    releases.map((one) => revisionOf(host, propsOf(one), queryContext({ warn, secret, name: one.name }))),
  )
}

/** What goes into a release may be known in the run only; where its code comes from has to be known now. */
function propsOf({ props, name }: PlannedResource): GitReleaseProps {
  const parsed = gitReleaseProps.safeParse(resolveReferences(props, () => 'known in the run'))
  if (parsed.success) return parsed.data
  throw new ConvergeError(`${name}: where its code comes from is known in the run only`, {
    code: 'UNKNOWN_REVISION',
    hint: 'set repository, revision and directories to strings, not to outputs of other resources',
  })
}

async function revisionOf(host: HostReader, given: GitReleaseProps, context: Context): Promise<AppRevision> {
  const app = given.app ?? given.into.split('/').at(-2) ?? given.into
  if (given.scmType === 'directory') return { app, revision: null, commit: null }
  // Before setup the account is not there: to ask, that of the run does as well.
  const nobody = given.user !== undefined && host.account(given.user) === null
  const props = nobody ? { ...given, user: undefined, group: undefined } : given
  const { commit } = await wantedCommit(host, props, listReleases(host, props.into, props.current), context)
  return { app, revision: props.revision, commit }
}

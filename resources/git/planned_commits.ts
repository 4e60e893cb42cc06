/** Determines the commits that a plan would deploy, without making releases. */
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { resolveReferences } from '../../core/model/reference.ts'
import type { Context, PlannedResource } from '../../core/model/resource.ts'
import { listReleases } from '../releases/releases.ts'
import { type GitReleaseProps, gitReleaseProps } from './props.ts'
import { queryContext } from './query_context.ts'
import { desiredCommit } from './source.ts'

/** The source of an app's next release. */
interface AppRevision {
  readonly app: string
  /** Null for a directory. */
  readonly revision: string | null
  /** Null if each host decides: for a directory, or for a short commit that only a fetch can complete. */
  readonly commit: string | null
  /** Why the commit may be out of date: the repository could not be queried. */
  readonly unconfirmed?: string
}

/** Resolves revisions with the code of git_release; writes and fetches nothing. */
export function planRevisions(
  resources: readonly PlannedResource[],
  host: HostReader,
  { warn, secret }: Pick<Context, 'warn' | 'secret'>,
): Promise<AppRevision[]> {
  const releases = resources.filter(({ type }) => type === 'git_release')
  return Promise.all(
    releases.map((release) =>
      planRevision(host, plannedProps(release), queryContext({ warn, secret, name: release.name })),
    ),
  )
}

/**
 * Parses the properties. The content of a release may be known only during the run; the source of its code must be
 * known now.
 */
function plannedProps({ props, name }: PlannedResource): GitReleaseProps {
  const parsed = gitReleaseProps.safeParse(resolveReferences(props, () => 'known in the run'))
  if (parsed.success) return parsed.data
  throw new ConvergeError(`${name}: where its code comes from is known in the run only`, {
    code: 'UNKNOWN_REVISION',
    hint: 'set repository, revision and directories to strings, not to outputs of other resources',
  })
}

async function planRevision(host: HostReader, declared: GitReleaseProps, context: Context): Promise<AppRevision> {
  const app = declared.app ?? declared.into.split('/').at(-2) ?? declared.into
  if (declared.scmType === 'directory') return { app, revision: null, commit: null }
  // Before setup the account does not exist: the account of the run queries instead.
  const isMissing = declared.user !== undefined && host.account(declared.user) === null
  const props = isMissing ? { ...declared, user: undefined, group: undefined } : declared
  const releases = listReleases(host, props.into, props.current)
  const { commit, unconfirmed } = await desiredCommit(host, props, releases, context)
  return { app, revision: props.revision, commit, ...omitUndefined({ unconfirmed }) }
}

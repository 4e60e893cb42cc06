/** Asks hosts for the commits of a deployment, and refuses a deployment whose commits are not certain. */
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'
import type { RolloutAbort } from './abort.ts'
import type { Announcement } from './announcement.ts'
import type { DeployCommits } from './commits.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'

/** Errors of `converge revisions` about the revision or its repository. */
const refusals: readonly string[] = [
  'UNKNOWN_REVISION',
  'AMBIGUOUS_REVISION',
  'EMPTY_REPOSITORY',
  'GIT_FAILED',
  'REPOSITORY_UNREACHABLE',
]

export class CommitResolution {
  /** Why the deployment is refused: nothing was changed, so it is not recorded. */
  refusal: ConvergeError | null = null

  constructor(
    private readonly request: Pick<RolloutRequest, 'action'>,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
    private readonly commits: DeployCommits,
    private readonly announcement: Announcement,
  ) {}

  /** Resolves one commit for each app, on the first host that deploys it. */
  async resolve(members: readonly RolloutHost[]): Promise<void> {
    if (this.abort.isAborted) return
    for (const [member, apps] of this.commits.queries(members))
      try {
        this.commits.recordAnswer(await this.runner.query(member, 'revisions'), member, apps)
        if (this.abort.isAborted) return
      } catch (thrown) {
        const error = asConvergeError(thrown)
        // A setup has changed hosts before.
        if (this.request.action === 'deploy' && refusals.includes(error.code)) this.refusal = error
        else this.progress.failPhase(member.name, 'look', error)
        return this.abort.trigger('the commit to deploy could not be determined; nothing was deployed')
      }
  }

  /** Resolves abbreviated commits that the builds have fetched, and announces the changes of their apps. */
  async resolveFetched(members: readonly RolloutHost[]): Promise<void> {
    if (this.abort.isAborted) return
    const queries = this.commits.queriesAfterBuild()
    for (const [member, apps] of queries)
      try {
        this.commits.recordAnswer(await this.runner.query(member, 'revisions'), member, apps)
      } catch (thrown) {
        // Each host has resolved the commit itself.
        this.progress.addErrorWarning(asConvergeError(thrown), member.name)
      }
    const apps = queries.flatMap(([, apps]) => apps)
    if (apps.length > 0) await this.announcement.announceMoves(members, apps)
  }
}

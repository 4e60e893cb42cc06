/** Asks hosts for the commits of a deployment, and refuses a deployment whose commits are not certain. */
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'
import type { Announcement } from './announcement.ts'
import type { HostRunner } from './hosts/host_runner.ts'
import type { RolloutContext } from './state/context.ts'
import type { RolloutHost } from './state/request.ts'

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
    private readonly context: RolloutContext,
    private readonly runner: HostRunner,
    private readonly announcement: Announcement,
  ) {}

  /** Resolves one commit for each app, on the first host that deploys it. */
  async resolve(hosts: readonly RolloutHost[]): Promise<void> {
    if (this.context.abort.isAborted) return
    for (const [host, apps] of this.context.commits.queries(hosts))
      try {
        this.context.commits.recordAnswer(await this.runner.query(host, 'revisions'), host, apps)
        if (this.context.abort.isAborted) return
      } catch (thrown) {
        const error = asConvergeError(thrown)
        // A setup has changed hosts before.
        if (this.context.request.action === 'deploy' && refusals.includes(error.code)) this.refusal = error
        else this.context.progress.failPhase(host.name, 'look', error)
        return this.context.abort.trigger('the commit to deploy could not be determined; nothing was deployed')
      }
  }

  /** Resolves abbreviated commits that the builds have fetched, and announces the changes of their apps. */
  async resolveFetched(hosts: readonly RolloutHost[]): Promise<void> {
    if (this.context.abort.isAborted) return
    const queries = this.context.commits.queriesAfterBuild()
    for (const [host, apps] of queries)
      try {
        this.context.commits.recordAnswer(await this.runner.query(host, 'revisions'), host, apps)
      } catch (thrown) {
        // Each host has resolved the commit itself.
        this.context.progress.addErrorWarning(asConvergeError(thrown), host.name)
      }
    const apps = queries.flatMap(([, apps]) => apps)
    if (apps.length > 0) await this.announcement.announceMoves(hosts, apps)
  }
}

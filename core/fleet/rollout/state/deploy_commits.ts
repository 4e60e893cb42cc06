/** Resolves the commit of each app for a deployment, and builds the node JSON that pins it on a host. */
import { ConvergeError } from '../../../model/errors.ts'
import { omitUndefined } from '../../../model/omit_undefined.ts'
import { parseRevisions, type Revision } from '../../host_answers.ts'
import type { CurrentRelease, EmitEvent } from '../../types.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest, StackChanges } from './request.ts'
import { deployActions, includesApp } from './request.ts'

/** A commit hash in full. Anything else that a host reports as its commit is not used to pin a host. */
const fullHash = /^([0-9a-f]{40}|[0-9a-f]{64})$/i

interface Pin {
  readonly commit: string
  /** Default: the revision of the stack file. */
  readonly revision?: string
}

/** An abbreviated commit, as `--revision` takes it. */
const abbreviatedHash = /^[0-9a-f]{7,63}$/i

/** By app, as hosts get it in `converge.deployed`. */
export type DeployedApps = Readonly<
  Record<string, { readonly commit: string | null; readonly deployment: string | null }>
>

export class DeployCommits {
  /** The commits of this deployment, by app. */
  readonly byApp: Record<string, StackChanges['apps'][string]> = {}
  /** The apps of which only a fetch can complete the commit, by the host that answered. */
  private readonly unresolved = new Map<RolloutHost, readonly string[]>()

  constructor(
    private readonly request: RolloutRequest,
    private readonly known: RolloutPorts['recorded']['apps'],
    private readonly bystanders: readonly RolloutHost[],
    private readonly progress: RolloutProgress,
    private readonly emit: EmitEvent,
  ) {}

  /** Returns the hosts to ask for commits, each with the apps that it is the first host to deploy. */
  queries(hosts: readonly RolloutHost[]): ReadonlyMap<RolloutHost, readonly string[]> {
    const questions = new Map<RolloutHost, string[]>()
    const queriedApps = new Set<string>()
    for (const host of hosts)
      for (const app of host.apps) {
        if (!includesApp(this.request, app) || queriedApps.has(app)) continue
        queriedApps.add(app)
        if (!this.pinToBystanders(app)) questions.set(host, [...(questions.get(host) ?? []), app])
      }
    return questions
  }

  /**
   * Records the commits that a host reports.
   * @param answer of `converge revisions`
   * @throws REMOTE_FAILED, REPOSITORY_UNREACHABLE
   */
  recordAnswer(answer: unknown, host: RolloutHost, apps: readonly string[]): void {
    const revisions = parseRevisions(answer).filter(({ app }) => apps.includes(app))
    for (const one of revisions) this.requireConfirmed(host, one)
    const unresolved = revisions.filter(({ revision, commit }) => commit === null && abbreviatedHash.test(revision))
    this.unresolved.delete(host)
    if (unresolved.length > 0)
      this.unresolved.set(
        host,
        unresolved.map(({ app }) => app),
      )
    for (const { app, revision, commit, unconfirmed } of revisions)
      if (commit !== null) this.addCommit(app, this.keptPin(app, unconfirmed) ?? { commit, revision }, unconfirmed)
  }

  /** Returns the hosts to ask again when they have fetched: each with its apps whose commit was abbreviated. */
  queriesAfterBuild(): readonly (readonly [RolloutHost, readonly string[]])[] {
    return [...this.unresolved]
  }

  /**
   * Refuses a branch of a repository that the host cannot ask: it may have a newer commit, and the deploy is for that.
   * A setup without --revision is about the hosts, so it continues with a warning, and keeps the commit of the stack:
   * the one that the host fetched last may be that of a deployment that failed.
   */
  private requireConfirmed({ name }: RolloutHost, { app, revision, commit, unconfirmed }: Revision): void {
    if (unconfirmed === undefined || commit === null) return
    if (this.request.action !== 'setup' || this.request.revision !== null)
      throw new ConvergeError(
        `${name}: ${unconfirmed}; ${app} is not deployed, since ${revision} may have a newer commit than ${commit}`,
        {
          code: 'REPOSITORY_UNREACHABLE',
          hint: `make the repository reachable, or name the commit: --app ${app} --revision ${commit}`,
        },
      )
    const pinned = this.keptPin(app, unconfirmed)
    const outcome = pinned === null ? `gets commit ${commit}` : `keeps commit ${pinned.commit}`
    this.progress.addWarning(
      `${name}: ${unconfirmed}; ${app} ${outcome}, and ${revision} may have a newer one (make the repository reachable, then run converge stack deploy)`,
    )
  }

  /** Returns what the stack runs, where the repository has not confirmed a commit; null where nothing is recorded. */
  private keptPin(app: string, unconfirmed: string | undefined): StackChanges['apps'][string] | null {
    return unconfirmed === undefined || this.request.revision !== null ? null : (this.known[app] ?? null)
  }

  /** Pins an app to the commit of the other hosts, for a host that joins them; the branch may have moved since. */
  private pinToBystanders(app: string): boolean {
    const { action, revision } = this.request
    const recordedPin = this.known[app]
    if (action !== 'setup' || revision !== null || recordedPin === undefined) return false
    if (!this.bystanders.some(({ apps }) => apps.includes(app))) return false
    this.addCommit(app, recordedPin)
    return true
  }

  private addCommit(app: string, { commit, revision }: StackChanges['apps'][string], unconfirmed?: string): void {
    this.byApp[app] = { commit, revision }
    this.emit({ event: 'commit', app, revision, commit, ...omitUndefined({ unconfirmed }) })
  }

  /** Decides whether the stack already runs the commit of this deployment. */
  isKnown(app: string): boolean {
    const before = this.known[app]?.commit
    return before !== undefined && before === this.byApp[app]?.commit
  }

  /**
   * Returns the node JSON of this deployment for one host, the highest layer: one commit of each app for all hosts. A
   * host that catches up gets the recorded commit of the stack. An app that was not requested keeps its commit.
   * @param missing the apps that the host catches up with; null for all
   */
  deploymentLayer(
    host: RolloutHost,
    current: readonly CurrentRelease[],
    missing: readonly string[] | null = null,
  ): object {
    const { apps, revision, action } = this.request
    const isOther = this.bystanders.some(({ name }) => name === host.name)
    const isDeployed = missing === null && !isOther && (deployActions.includes(action) || action === 'plan')
    const requestedRevisions = revision === null || isOther ? [] : apps.map((app) => [app, { revision }] as const)
    const deployed = missing ?? (isDeployed && apps.length > 0 ? apps : host.apps)
    const others = host.apps.filter((app) => !deployed.includes(app))
    const pinsOfOthers = this.pinsOf(others, current)
    const pins = isDeployed ? { ...pinsOfOthers, ...this.byApp } : { ...this.byApp, ...this.known, ...pinsOfOthers }
    const scm = { ...Object.fromEntries(requestedRevisions), ...pins }
    const converge = {
      ...(others.length > 0 ? { deployed_apps: deployed } : {}),
      ...(missing === null ? {} : { reuse_releases: true }),
    }
    return {
      ...(Object.keys(converge).length > 0 ? { converge } : {}),
      ...(Object.keys(scm).length === 0
        ? {}
        : {
            deploy: Object.fromEntries(Object.entries(scm).map(([app, one]) => [app, { scm: scmOfPin(one) }])),
          }),
    }
  }

  private pinsOf(apps: readonly string[], current: readonly CurrentRelease[]): Readonly<Record<string, Pin>> {
    return Object.fromEntries(
      apps.flatMap((app) => {
        const commit = current.find((one) => one.app === app)?.commit
        if (typeof commit === 'string' && fullHash.test(commit)) return [[app, { commit }] as const]
        const recordedPin = this.known[app]
        return recordedPin === undefined ? [] : [[app, recordedPin] as const]
      }),
    )
  }
}

/** Returns the attributes below `deploy.<app>.scm` that pin an app. */
function scmOfPin({ revision, commit }: Partial<Pin>): Partial<Pin> {
  return omitUndefined({ revision, commit })
}

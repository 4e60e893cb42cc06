/** Resolves the commit of each app for a deployment, and builds the node JSON that pins it on a host. */

import { ConvergeError } from '../../model/errors.ts'
import { parseRevisions, type Revision } from '../host_answers.ts'
import type { CurrentRelease, EmitEvent } from '../types.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest, StackChanges } from './request.ts'
import { deployActions, includesApp } from './request.ts'

/** A commit hash in full. Anything else that a host reports as its commit is not used to pin a host. */
const fullHash = /^([0-9a-f]{40}|[0-9a-f]{64})$/i

interface Pin {
  readonly commit: string
  /** Default: as the stack file says. */
  readonly revision?: string
}

/** An abbreviated commit, as `--revision` takes it. */
const abbreviatedHash = /^[0-9a-f]{7,63}$/i

export class DeployCommits {
  /** The commits of this deployment, by app. */
  readonly byApp: Record<string, StackChanges['apps'][string]> = {}
  /** The apps of which only a fetch can complete the commit, by the host that answered. */
  private readonly unresolved = new Map<RolloutHost, readonly string[]>()

  constructor(
    private readonly request: RolloutRequest,
    private readonly known: RolloutPorts['known']['apps'],
    private readonly bystanders: readonly RolloutHost[],
    private readonly progress: RolloutProgress,
    private readonly emit: EmitEvent,
  ) {}

  /** Returns the hosts to ask for commits, each with the apps that it is the first host to deploy. */
  queries(members: readonly RolloutHost[]): ReadonlyMap<RolloutHost, readonly string[]> {
    const questions = new Map<RolloutHost, string[]>()
    const asked = new Set<string>()
    for (const member of members)
      for (const app of member.apps) {
        if (!includesApp(this.request, app) || asked.has(app)) continue
        asked.add(app)
        if (!this.pinToBystanders(app)) questions.set(member, [...(questions.get(member) ?? []), app])
      }
    return questions
  }

  /**
   * Records the commits that a host reports.
   * @param answer of `converge revisions`
   * @throws REMOTE_FAILED, REPOSITORY_UNREACHABLE
   */
  recordAnswer(answer: unknown, member: RolloutHost, apps: readonly string[]): void {
    const found = parseRevisions(answer).filter(({ app }) => apps.includes(app))
    for (const one of found) this.requireConfirmed(member, one)
    const unresolved = found.filter(({ revision, commit }) => commit === null && abbreviatedHash.test(revision))
    this.unresolved.delete(member)
    if (unresolved.length > 0)
      this.unresolved.set(
        member,
        unresolved.map(({ app }) => app),
      )
    for (const { app, revision, commit, unconfirmed } of found)
      if (commit !== null) this.addCommit(app, { commit, revision }, unconfirmed)
  }

  /** Returns the hosts to ask again when they have fetched: each with its apps whose commit was abbreviated. */
  queriesAfterBuild(): readonly (readonly [RolloutHost, readonly string[]])[] {
    return [...this.unresolved]
  }

  /**
   * Refuses a branch of a repository that the host cannot ask: it may have a newer commit, and the deploy is for that.
   * A setup without --revision is about the hosts, so it continues with a warning.
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
    this.progress.addWarning(
      `${name}: ${unconfirmed}; ${app} gets commit ${commit}, and ${revision} may have a newer one (make the repository reachable, then run converge stack deploy)`,
    )
  }

  /** Pins an app to the commit of the other hosts, for a host that joins them; the branch may have moved since. */
  private pinToBystanders(app: string): boolean {
    const { action, revision } = this.request
    const known = this.known[app]
    if (action !== 'setup' || revision !== null || known === undefined) return false
    if (!this.bystanders.some(({ apps }) => apps.includes(app))) return false
    this.addCommit(app, known)
    return true
  }

  private addCommit(app: string, { commit, revision }: StackChanges['apps'][string], unconfirmed?: string): void {
    this.byApp[app] = { commit, revision }
    this.emit({ event: 'commit', app, revision, commit, ...(unconfirmed === undefined ? {} : { unconfirmed }) })
  }

  /** Decides whether the stack already runs the commit of this deployment. */
  isKnown(app: string): boolean {
    const before = this.known[app]?.commit
    return before !== undefined && before === this.byApp[app]?.commit
  }

  /**
   * Returns the node JSON of this deployment for one host, the highest layer: one commit of each app for all hosts. A
   * host that catches up gets the recorded commit of the stack. An app that was not requested keeps its commit.
   */
  deploymentLayer(member: RolloutHost, live: readonly CurrentRelease[]): object {
    const { apps, revision, action } = this.request
    const isOther = this.bystanders.some(({ name }) => name === member.name)
    const brings = !isOther && (deployActions.includes(action) || action === 'plan')
    const asked = revision === null || isOther ? [] : apps.map((app) => [app, { revision }] as const)
    const pins = brings ? { ...this.pinsOfOtherApps(member, live), ...this.byApp } : { ...this.byApp, ...this.known }
    const scm = { ...Object.fromEntries(asked), ...pins }
    const others = brings && member.apps.some((app) => !includesApp(this.request, app))
    return {
      ...(others ? { converge: { deployed_apps: apps } } : {}),
      ...(Object.keys(scm).length === 0
        ? {}
        : {
            deploy: Object.fromEntries(Object.entries(scm).map(([app, one]) => [app, { scm: withoutUndefined(one) }])),
          }),
    }
  }

  private pinsOfOtherApps(member: RolloutHost, live: readonly CurrentRelease[]): Readonly<Record<string, Pin>> {
    const others = member.apps.filter((app) => !includesApp(this.request, app))
    return Object.fromEntries(
      others.flatMap((app) => {
        const commit = live.find((one) => one.app === app)?.commit
        if (typeof commit === 'string' && fullHash.test(commit)) return [[app, { commit }] as const]
        const known = this.known[app]
        return known === undefined ? [] : [[app, known] as const]
      }),
    )
  }
}

/** Leaves out all that a host does not need. */
function withoutUndefined({ revision, commit }: Partial<Pin>): Partial<Pin> {
  return { ...(revision === undefined ? {} : { revision }), ...(commit === undefined ? {} : { commit }) }
}

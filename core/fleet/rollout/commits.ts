/** Resolves the commit of each app for a deployment, and builds the node JSON that pins it on a host. */

import { parseRevisions } from '../host_answers.ts'
import type { CurrentRelease, EmitEvent } from '../types.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutHost, RolloutRequest, StackChanges } from './request.ts'
import { deployActions, includesApp } from './request.ts'

/** A commit hash in full. Anything else that a host reports as its commit is not used to pin a host. */
const fullHash = /^([0-9a-f]{40}|[0-9a-f]{64})$/i

interface Pin {
  readonly commit: string
  /** Default: as the stack file says. */
  readonly revision?: string
}

export class DeployCommits {
  /** The commits of this deployment, by app. */
  readonly byApp: Record<string, StackChanges['apps'][string]> = {}

  constructor(
    private readonly request: RolloutRequest,
    private readonly known: RolloutPorts['known']['apps'],
    private readonly bystanders: readonly RolloutHost[],
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
   * @param said by `converge revisions`
   * @throws REMOTE_FAILED
   */
  recordAnswer(said: unknown, apps: readonly string[]): void {
    for (const { app, revision, commit } of parseRevisions(said))
      if (commit !== null && apps.includes(app)) this.addCommit(app, { commit, revision })
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

  private addCommit(app: string, { commit, revision }: StackChanges['apps'][string]): void {
    this.byApp[app] = { commit, revision }
    this.emit({ event: 'commit', app, revision, commit })
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

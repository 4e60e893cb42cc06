/** Resolves the commit of each app for a deployment, and builds the node JSON that pins it on a host. */
import type { LiveRelease, Tell } from '../types.ts'
import { means, switching } from './aftermath.ts'
import { revisionsIn } from './answers.ts'
import type { Aftermath, Member, Ports, RolloutRequest } from './request.ts'

/** A commit hash in full. Anything else that a host reports as its commit is not used to pin a host. */
const whole = /^([0-9a-f]{40}|[0-9a-f]{64})$/i

interface Pin {
  readonly commit: string
  /** Default: as the stack file says. */
  readonly revision?: string
}

export class Commits {
  /** The commits of this deployment, by app. */
  readonly found: Record<string, Aftermath['apps'][string]> = {}

  constructor(
    private readonly request: RolloutRequest,
    private readonly known: Ports['known']['apps'],
    private readonly others: readonly Member[],
    private readonly tell: Tell,
  ) {}

  /** Returns the hosts to ask for commits, each with the apps that it is the first host to deploy. */
  questions(members: readonly Member[]): ReadonlyMap<Member, readonly string[]> {
    const questions = new Map<Member, string[]>()
    const asked = new Set<string>()
    for (const member of members)
      for (const app of member.apps) {
        if (!means(this.request, app) || asked.has(app)) continue
        asked.add(app)
        if (!this.isOnOthers(app)) questions.set(member, [...(questions.get(member) ?? []), app])
      }
    return questions
  }

  /**
   * Records the commits that a host reports.
   * @param said by `converge revisions`
   * @throws REMOTE_FAILED
   */
  learn(said: unknown, apps: readonly string[]): void {
    for (const { app, revision, commit } of revisionsIn(said))
      if (commit !== null && apps.includes(app)) this.find(app, { commit, revision })
  }

  /** Pins an app to the commit of the other hosts, for a host that joins them; the branch may have moved since. */
  private isOnOthers(app: string): boolean {
    const { action, revision } = this.request
    const known = this.known[app]
    if (action !== 'setup' || revision !== null || known === undefined) return false
    if (!this.others.some(({ apps }) => apps.includes(app))) return false
    this.find(app, known)
    return true
  }

  private find(app: string, { commit, revision }: Aftermath['apps'][string]): void {
    this.found[app] = { commit, revision }
    this.tell({ event: 'commit', app, revision, commit })
  }

  /** Decides whether the stack already runs the commit of this deployment. */
  isKnown(app: string): boolean {
    const before = this.known[app]?.commit
    return before !== undefined && before === this.found[app]?.commit
  }

  /**
   * Returns the node JSON of this deployment for one host, the highest layer: one commit of each app for all hosts. A
   * host that catches up gets the recorded commit of the stack. An app that was not requested keeps its commit.
   */
  toldTo(member: Member, live: readonly LiveRelease[]): object {
    const { apps, revision, action } = this.request
    const isOther = this.others.some(({ name }) => name === member.name)
    const brings = !isOther && (switching.includes(action) || action === 'plan')
    const asked = revision === null || isOther ? [] : apps.map((app) => [app, { revision }] as const)
    const pins = brings ? { ...this.unasked(member, live), ...this.found } : { ...this.found, ...this.known }
    const scm = { ...Object.fromEntries(asked), ...pins }
    const others = brings && member.apps.some((app) => !means(this.request, app))
    return {
      ...(others ? { converge: { deployed_apps: apps } } : {}),
      ...(Object.keys(scm).length === 0
        ? {}
        : { deploy: Object.fromEntries(Object.entries(scm).map(([app, one]) => [app, { scm: pinned(one) }])) }),
    }
  }

  private unasked(member: Member, live: readonly LiveRelease[]): Readonly<Record<string, Pin>> {
    const others = member.apps.filter((app) => !means(this.request, app))
    return Object.fromEntries(
      others.flatMap((app) => {
        const commit = live.find((one) => one.app === app)?.commit
        if (typeof commit === 'string' && whole.test(commit)) return [[app, { commit }] as const]
        const known = this.known[app]
        return known === undefined ? [] : [[app, known] as const]
      }),
    )
  }
}

/** Leaves out all that a host does not need. */
function pinned({ revision, commit }: Partial<Pin>): Partial<Pin> {
  return { ...(revision === undefined ? {} : { revision }), ...(commit === undefined ? {} : { commit }) }
}

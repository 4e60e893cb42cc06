/** Runs a phase on several hosts, at most `parallel` at a time, until the rollout aborts. */
import pLimit from 'p-limit'
import { asConvergeError } from '../../model/errors.ts'
import type { FailureReport, RunReport } from '../../report/events.ts'
import type { Phase } from '../types.ts'
import { namesOf } from './aftermath.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Commits } from './commits.ts'
import type { HostDocument, Keeps, RunEvent, RunResult } from './fleet_host.ts'
import type { Deployed } from './follow_up.ts'
import { turnsOf } from './plan.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'

/** The state that a host stores after each phase, for its own scheduler; other phases do not change it. */
const keeps: Partial<Readonly<Record<Phase, Keeps>>> = {
  setup: 'online',
  switch: 'online',
  configure: 'same',
  rollback: 'same',
  shutdown: 'stopped',
  hooks: 'first',
}

/** The most warnings of one host that are displayed, and characters of each: all stay in memory until the end. */
const mostWarnings = 200
const longestWarning = 4000

export interface RunMore {
  readonly dry?: boolean
  /** The value of `converge.deployed` in the node JSON. */
  readonly deployed?: Deployed
  readonly options?: readonly string[]
}

interface TogetherMore {
  readonly batch?: number
  readonly batches?: number
  /** Those of the hosts that migrate or create a database: each runs alone, before the others. */
  readonly first?: ReadonlySet<string>
  /** Decides whether to start no further host; default: when the rollout aborts. */
  readonly isOver?: () => boolean
}

const nobody: ReadonlySet<string> = new Set()

export class Crew {
  /** Hosts that the node JSON of other hosts lists as online. */
  online: ReadonlySet<string>
  private readonly limit
  /** Number of warnings that each host has sent. */
  private readonly warnings = new Map<string, number>()

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly commits: Commits,
  ) {
    this.online = ports.known.online
    this.limit = pLimit(Math.max(1, request.parallel))
  }

  /** Runs `work` on each host, and waits for all of them, even when one fails. */
  async each(
    members: readonly Member[],
    work: (member: Member) => Promise<void>,
    isOver: () => boolean = () => this.brake.isOn,
  ): Promise<void> {
    const one = async (member: Member) => {
      if (!isOver()) await work(member)
    }
    const ends = await Promise.allSettled(members.map((member) => this.limit(() => one(member))))
    const broken = ends.find((end) => end.status === 'rejected')
    if (broken) throw broken.reason
  }

  /** Announces a phase, and runs it on its hosts. */
  async together(
    phase: Phase,
    members: readonly Member[],
    work: (member: Member) => Promise<void>,
    { first = nobody, isOver, ...batch }: TogetherMore = {},
  ): Promise<void> {
    if (members.length === 0) return
    this.ports.tell({ event: 'phase', phase, hosts: namesOf(members), ...batch })
    const counted = async (member: Member) => {
      await work(member)
      // Other hosts may have failed in the meantime.
      this.brake.countFailures()
    }
    for (const turn of turnsOf(members, first)) {
      await this.each(turn, counted, isOver)
      const failed = turn.find(({ name }) => first.has(name) && !this.board.succeeded(name))
      // New code must not run on data that is not migrated.
      if (failed && !this.brake.isOn) this.brake.stop(`${failed.name} had to go before all others, and failed`)
    }
  }

  async run(
    member: Member,
    phase: Phase,
    events: readonly string[],
    { dry = false, options = [], deployed }: RunMore = {},
  ): Promise<void> {
    const { name, host } = member
    const begun = this.board.begin(name, phase)
    const own = this.request.roles.length > 0
    const roles = own ? this.request.roles : member.roles
    const has = own ? events : events.filter((event) => isHook(event) || member.events.has(event))
    // None of its roles has a recipe for these events.
    if (has.length === 0) {
      this.board.ran(name, phase, null, null)
      return this.board.done(name, phase, begun)
    }
    try {
      const request = {
        events: has,
        roles,
        documents: this.documents(member, deployed),
        dry,
        options,
        keeps: keeps[phase],
      }
      const result = await host.run(request, (event) => this.hear(name, phase, event))
      this.board.ran(name, phase, result.report, failureIn(result))
      this.board.done(name, phase, begun, result.report === null ? {} : { report: result.report })
    } catch (thrown) {
      this.board.fail(name, phase, asConvergeError(thrown), begun)
    }
  }

  /** Predicts by a dry run what a run would do; null where the dry run fails. */
  async foresee(member: Member, events: readonly string[]): Promise<RunReport | null> {
    const { roles, host } = member
    const request = { events, roles, documents: this.documents(member), dry: true, options: [] }
    try {
      return (await host.run(request, () => undefined)).report
    } catch {
      // A failure that prevents the dry run prevents the run as well, and is reported then.
      return null
    }
  }

  ask(member: Member, command: 'revisions' | 'releases' | 'status'): Promise<unknown> {
    return member.host.ask([command], { roles: member.roles, documents: this.documents(member) })
  }

  private documents(member: Member, deployed?: Deployed): readonly HostDocument[] {
    const told = this.commits.toldTo(member, this.board.live(member.name))
    const converge = 'converge' in told ? (told.converge as object) : {}
    const all = deployed === undefined ? told : { ...told, converge: { ...converge, deployed } }
    return this.ports.documents(member.name, this.online, all)
  }

  private hear(host: string, phase: Phase, event: RunEvent): void {
    this.ports.log(host, event)
    if (event.event === 'applying') this.ports.tell({ event: 'host', host, phase, step: stepOf(event.name) })
    else if (event.event === 'warning') this.warn(host, event.message)
  }

  private warn(host: string, message: unknown): void {
    const count = (this.warnings.get(host) ?? 0) + 1
    this.warnings.set(host, count)
    if (count > mostWarnings || typeof message !== 'string') return
    const text = count === mostWarnings ? `more than ${mostWarnings - 1} warnings: the rest is in its log` : message
    this.board.warnOf(host, text.slice(0, longestWarning))
  }
}

/** Shortens a step to the length that a screen displays. */
function stepOf(name: unknown): string | undefined {
  return typeof name === 'string' ? name.slice(0, longestWarning) : undefined
}

/** Decides whether an event is a hook: it belongs to no role, and every host has a scheduler to call. */
function isHook(event: string): boolean {
  return event.startsWith('hooks_')
}

const interrupted: FailureReport = {
  code: 'INTERRUPTED',
  message: 'the run was told to end, and has ended after the step at hand',
  hint: 'run it again to finish',
}

function failureIn({ status, report, failure }: RunResult): FailureReport | null {
  if (failure !== null || status === 0) return failure
  return report?.outcome === 'interrupted'
    ? interrupted
    : { code: 'REMOTE_FAILED', message: `exit status ${status ?? 'none: it was killed'}` }
}

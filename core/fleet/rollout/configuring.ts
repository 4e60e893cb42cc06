/** Has hosts adapt to who is in the stack: those that restart something one batch after the other, the rest at once. */
import type { RunReport } from '../../report/events.ts'
import { namesOf } from './aftermath.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Crew } from './crew.ts'
import type { Forecast } from './forecast.ts'
import type { Gate } from './gate.ts'
import { amountOf, batchesOf } from './plan.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'

/** What a host goes through that missed a deployment. */
export const wholeWay = ['setup', 'deploy', 'configure']
const phase = 'configure'

/** What a host will restart, in words. */
interface Due {
  readonly member: Member
  readonly what: readonly string[]
}

export class Configuring {
  /** Hosts that had missed a deployment, and have it now. */
  readonly caughtUp: string[] = []

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly crew: Crew,
    private readonly gate: Gate,
    private readonly forecast: Forecast,
  ) {}

  /** @param settled of the hosts, those whose own run has just ended: they have nothing to restart */
  async all(members: readonly Member[], settled: readonly Member[] = []): Promise<void> {
    const due = await this.dueOn(members.filter((member) => !settled.includes(member)))
    const restarting = due.map(({ member }) => member)
    if (due.length > 0)
      this.ports.tell({ event: 'restarts', phase, hosts: due.map(({ member, what }) => ({ host: member.name, what })) })
    const order = { strategy: 'rolling', size: this.request.batch, first: new Set<string>(), reverse: false } as const
    const others = members.filter((member) => !restarting.includes(member))
    const batches = batchesOf(restarting, order)
    await this.forecast.ofCatchUp(restarting.filter(({ name }) => this.ports.known.behind.has(name)))
    if (this.request.action === 'configure')
      this.forecast.tellDuration(members, restarting.length > 0, Math.max(1, batches.length))
    await this.crew.together(phase, others, (member) => this.configure(member, settled.includes(member)))
    await this.inBatches(batches)
  }

  /** One that missed a deployment gets that first. */
  private async configure(member: Member, isSettled = false): Promise<void> {
    const late = isSettled ? undefined : this.ports.known.behind.get(member.name)
    if (late === undefined) return this.crew.run(member, phase, [phase])
    this.board.say(`it missed deployment ${late}, and gets that now`, member.name)
    await this.crew.run(member, phase, wholeWay, { options: ['--no-migrate'] })
    if (this.board.succeeded(member.name)) this.caughtUp.push(member.name)
  }

  private async inBatches(batches: readonly Member[][]): Promise<void> {
    const all = batches.flat()
    const answers = batches.length > 1 && !this.brake.isOn && (await this.gate.answersBefore(true))
    for (const [at, batch] of batches.entries()) {
      if (this.brake.isOn) return
      if (this.haveTooManyFailed(all)) return this.leave(batches.slice(at).flat())
      await this.crew.together(phase, batch, (member) => this.configure(member), {
        batch: at + 1,
        batches: batches.length,
      })
      if (answers && !this.brake.isOn) await this.gate.pass()
    }
  }

  /** What does not come up on one host may not come up on the next one either: then no host would be left to answer. */
  private haveTooManyFailed(members: readonly Member[]): boolean {
    const failed = members.filter(({ name }) => this.board.hasFailed(name)).length
    return failed > amountOf(this.request.maxFailures, members.length, 0)
  }

  private leave(members: readonly Member[]): void {
    const reason = 'not restarted, since another host failed'
    for (const { name } of members) this.board.skip(name, phase, reason)
    const names = namesOf(members)
    this.board.say(
      `${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} ${reason}; repair it, then run converge stack configure`,
    )
  }

  private async dueOn(members: readonly Member[]): Promise<Due[]> {
    const found = new Map<Member, readonly string[]>()
    await this.crew.each(members, async (member) => {
      const missed = this.ports.known.behind.get(member.name)
      if (missed !== undefined) found.set(member, [`all of deployment ${missed}, which it missed`])
      else if (member.events.has(phase)) found.set(member, restartsIn(await this.crew.foresee(member, [phase])))
    })
    return members.flatMap((member) => {
      const what = found.get(member) ?? []
      return what.length > 0 ? [{ member, what }] : []
    })
  }
}

/** Characters of what a host says: it decides what it sends. */
const longest = 400

/** The restarts of a dry run, in words. */
export function restartsIn(report: RunReport | null): readonly string[] {
  if (report === null || report.outcome === 'failed') return ['not known, since its dry run failed']
  return report.resources.flatMap(({ type, key, outcome, words }) => {
    if (type !== 'service_restart') return []
    if (outcome === 'unknown') return [`${key} (possibly)`.slice(0, longest)]
    const named = /(?:^|; )restart ([^;]+)/.exec(words ?? '')?.[1]
    return outcome === 'planned' && named !== undefined ? [named.slice(0, longest)] : []
  })
}

/** Finds the hosts that restart something in a phase, announces them, and runs the phase on them in batches. */
import type { RunReport } from '../../report/events.ts'
import type { Phase } from '../types.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Crew } from './crew.ts'
import type { Gate } from './gate.ts'
import { amountOf, batchesOf } from './plan.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'

/** A host that restarts something, with a description of each restart. */
export interface Due {
  readonly member: Member
  readonly what: readonly string[]
}

interface Foreseen {
  readonly restarting: readonly Due[]
  /** Hosts that install or remove packages, whose scripts may restart services; no dry run can tell which. */
  readonly packaging: readonly Due[]
}

export class Restarts {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly crew: Crew,
    private readonly gate: Gate,
  ) {}

  /** Finds by a dry run the hosts on which the event restarts something. */
  async dueOn(members: readonly Member[], event: string): Promise<readonly Due[]> {
    return (await this.foresee(members, event)).restarting
  }

  /** Finds by a dry run what the event restarts on each host, and which packages it installs or removes. */
  async foresee(members: readonly Member[], event: string): Promise<Foreseen> {
    const found = new Map<Member, RunReport | null>()
    const asked = members.filter(({ events }) => events.has(event))
    await this.crew.each(asked, async (member) => {
      found.set(member, await this.crew.foresee(member, [event]))
    })
    const due = (wordsIn: (report: RunReport | null) => readonly string[]) =>
      [...members].flatMap((member) => {
        const report = found.get(member)
        const what = report === undefined ? [] : wordsIn(report)
        return what.length > 0 ? [{ member, what }] : []
      })
    return { restarting: due(restartsIn), packaging: due(packagesIn) }
  }

  announce(phase: Phase, due: readonly Due[]): void {
    if (due.length === 0) return
    const hosts = due.map(({ member, what }) => ({ host: member.name, what }))
    this.ports.tell({ event: 'restarts', phase, hosts })
  }

  /** Returns the batches that `inTurn` uses. */
  batches(members: readonly Member[]): Member[][] {
    return batchesOf(members, { strategy: 'rolling', size: this.request.batch, first: new Set(), reverse: false })
  }

  /**
   * Runs one batch after the other, and checks the site after each, if it answered before.
   * @param leave called with the hosts that are not restarted because too many others failed. Without it they are
   * restarted, unless the rollout aborts.
   */
  async inTurn(
    phase: Phase,
    members: readonly Member[],
    run: (member: Member) => Promise<void>,
    leave?: (members: readonly Member[]) => void,
  ): Promise<void> {
    const batches = this.batches(members)
    const answers = batches.length > 1 && !this.brake.isOn && (await this.gate.answersBefore(true))
    for (const [at, batch] of batches.entries()) {
      if (this.brake.isOn) return
      if (leave !== undefined && this.haveTooManyFailed(members)) return leave(batches.slice(at).flat())
      await this.crew.together(phase, batch, run, { batch: at + 1, batches: batches.length })
      if (answers && !this.brake.isOn) await this.gate.pass()
    }
  }

  /** Decides whether to stop: a restart that fails on one host may fail on the next, until no host answers. */
  private haveTooManyFailed(members: readonly Member[]): boolean {
    const failed = members.filter(({ name }) => this.board.hasFailed(name)).length
    return failed > amountOf(this.request.maxFailures, members.length, 0)
  }
}

/** Returns a warning about packages that hosts in service change at the same time; null where none does. */
export function warningOfPackages(packaging: readonly Due[]): string | null {
  if (packaging.length === 0) return null
  const hosts = packaging.map(({ member }) => member.name)
  const packages = [...new Set(packaging.flatMap(({ what }) => what))].sort()
  return `setup changes packages on ${named(hosts, 'hosts')} at the same time: ${named(packages, 'packages')}; their scripts may restart services, which a dry run cannot predict; --strategy rolling takes one batch of hosts after the other`
}

/** With more names, a message shows only their number. */
const few = 5

function named(names: readonly string[], kind: string): string {
  return names.length > few ? `${names.length} ${kind}` : names.join(', ')
}

/** Characters of a host's text: the host decides how much it sends. */
const longest = 400

/** Describes the restarts of a dry run. */
function restartsIn(report: RunReport | null): readonly string[] {
  if (report === null || report.outcome === 'failed') return ['not known, since its dry run failed']
  return report.resources.flatMap(({ type, key, outcome, words }) => {
    if (type !== 'service_restart') return []
    if (outcome === 'unknown') return [`${key} (possibly)`.slice(0, longest)]
    const named = /(?:^|; )restart ([^;]+)/.exec(words ?? '')?.[1]
    return outcome === 'planned' && named !== undefined ? [named.slice(0, longest)] : []
  })
}

/** Lists the packages that a dry run would install or remove. */
function packagesIn(report: RunReport | null): readonly string[] {
  if (report === null) return []
  return report.resources.flatMap(({ type, key, outcome }) =>
    type === 'package' && outcome === 'planned' ? key.slice(0, longest).split(' ') : [],
  )
}

/** Drives hosts through what was asked for: everything is built first, then switched batch by batch, then the others hear of it. */
import pLimit from 'p-limit'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { Action, Phase, RolloutReport } from '../types.ts'
import { aftermathOf, means, namesOf, switching } from './aftermath.ts'
import { type AppReleases, liveOf, releasesIn, revisionsIn } from './answers.ts'
import { commitBefore, onlyApp, releaseOf } from './back.ts'
import { Board, outcomeOf } from './board.ts'
import { type HostDocument, isDown, type Keeps, type RunEvent } from './fleet_host.ts'
import { amountOf, batchesOf } from './plan.ts'
import type { Aftermath, Interruption, Member, Ports, RolloutRequest } from './request.ts'

/** What changes code brings the others news. */
const withNews: readonly Action[] = ['setup', 'deploy', 'undeploy', 'shutdown']
/** What its own scheduler goes by afterwards; a run of something else, or a build, changes nothing about that. */
const keeps: Partial<Readonly<Record<Phase, Keeps>>> = {
  setup: 'online',
  switch: 'online',
  configure: 'same',
  rollback: 'same',
  shutdown: 'stopped',
  hooks: 'first',
}
const wholeWay = ['setup', 'deploy', 'configure']
/** Seconds: whether the site answers now, and not whether it will. */
const aMoment = 3

export async function rollout(
  request: RolloutRequest,
  ports: Ports,
): Promise<{ readonly report: RolloutReport; readonly aftermath: Aftermath }> {
  return new Rollout(request, ports).go()
}

class Rollout {
  private readonly board: Board
  private readonly commits: Record<string, { commit: string; revision: string }> = {}
  private stopped: string | undefined
  private readonly taking: readonly Member[]
  private readonly others: readonly Member[]
  /** Of the others, those that could not be reached. */
  private readonly missed = new Set<string>()
  /** Those that had missed a deployment, and have it now. */
  private readonly caughtUp: string[] = []
  private online: ReadonlySet<string>
  private readonly limit
  private readonly begun: number

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
  ) {
    const { members, selected, known, tell, clock } = ports
    this.begun = clock()
    this.limit = pLimit(Math.max(1, request.parallel))
    this.taking = members.filter(({ name }) => selected.has(name))
    this.others = members.filter(({ name }) => !selected.has(name) && known.online.has(name))
    this.online = known.online
    this.board = new Board(namesOf(this.taking), tell, clock)
  }

  async go() {
    const { action, stack, strategy } = this.request
    const { id, tell, members } = this.ports
    const addresses = Object.fromEntries(members.map(({ name, address }) => [name, address]))
    tell({ event: 'start', id, stack, action, hosts: namesOf(this.taking), strategy, addresses })
    const leave = this.ports.onInterrupt((state) => this.heardInterruption(state))
    try {
      await this.work()
    } catch (thrown) {
      this.stop(asConvergeError(thrown).message)
      this.board.warn(asConvergeError(thrown))
    } finally {
      leave()
      for (const { host } of members) host.close()
    }
    const report = this.report()
    tell({ event: 'end', report })
    const { request, board, taking, others, missed, caughtUp, commits } = this
    const ended = { request, board, taking, others, missed, caughtUp, commits, isStopped: this.isStopped() }
    return { report, aftermath: aftermathOf(ended) }
  }

  private async work(): Promise<void> {
    const { action, events } = this.request
    await this.connect()
    if (this.isStopped()) return
    this.anticipate()
    switch (action) {
      case 'plan':
        return this.everywhere('plan', this.wanting(), events.length > 0 ? events : wholeWay, { dry: true })
      case 'status':
        return this.status()
      case 'configure':
        return this.configure()
      case 'hooks':
        return this.everywhere('hooks', this.wanting(), events, { options: this.request.options })
      case 'run':
        return this.inBatches('run', events)
      case 'rollback':
        await this.look('before')
        await this.goBack()
        return this.look('after')
      case 'shutdown':
        await this.tellOthers()
        return this.inBatches('shutdown', ['shutdown'], { reverse: true })
      case 'undeploy':
        await this.inBatches('undeploy', ['undeploy'], { reverse: true })
        return this.tellOthers()
      default:
        await this.deploy()
        return this.tellOthers()
    }
  }

  private async deploy(): Promise<void> {
    if (this.request.action === 'setup') await this.everywhere('setup', this.wanting(), ['setup'], {})
    if (this.isStopped()) return
    await this.resolve()
    if (this.isStopped()) return
    await this.look('before')
    const building = this.wanting().filter(({ events }) => events.has('build'))
    await this.everywhere('build', building, ['build'], {})
    if (this.isStopped()) return
    await this.inBatches('switch', ['deploy'], { options: [], gate: true })
    await this.takeBack()
    await this.look('after')
  }

  /** Where it was stopped, those that have switched go back to what they were on, if that was asked for. */
  private async takeBack(): Promise<void> {
    if (this.stopped === undefined || !this.request.rollbackOnFailure) return
    const was = (name: string) => {
      const live = liveOf(this.board.of(name).before).filter(({ app, release }) => this.means(app) && release !== null)
      return live.map(({ release }) => release)
    }
    const back = this.taking.filter(({ name }) => this.board.of(name).switched && was(name).length > 0)
    await this.together('rollback', back, (member) => {
      const [release, ...more] = was(member.name)
      const options = typeof release === 'string' && more.length === 0 ? ['--to', release] : []
      return this.run(member, 'rollback', ['rollback'], { options })
    })
  }

  /** All to one commit: the one that is named, or what most of them were on before. */
  private async goBack(): Promise<void> {
    const { to } = this.request
    const own = new Map<string, AppReleases>()
    for (const { name } of this.wanting()) {
      const app = onlyApp(this.board.of(name).before, (app) => this.means(app))
      if (app) own.set(name, app)
    }
    const of = (app: string) => [...own.values()].filter(({ name }) => name === app)
    const targets = new Map<string, string>()
    for (const [host, app] of own) {
      const wanted = to ?? commitBefore(of(app.name))
      const release = wanted === null ? null : releaseOf(app, wanted)
      if (release !== null) targets.set(host, release)
      else if (wanted !== null) this.board.fail(host, 'look', noSuchRelease(wanted))
    }
    this.countFailures()
    const optionsFor = ({ name }: Member) => {
      const release = targets.get(name) ?? to
      return release === null || release === undefined ? [] : ['--to', release]
    }
    await this.inBatches('rollback', ['rollback'], { gate: true, optionsFor })
  }

  private async connect(): Promise<void> {
    const { action } = this.request
    const holds = action !== 'plan' && action !== 'status'
    const news = withNews.includes(action) ? this.others : []
    this.ports.tell({ event: 'phase', phase: 'connect', hosts: namesOf(this.taking) })
    await Promise.all([
      ...this.taking.map((member) => this.limit(() => this.connectOne(member, holds))),
      ...news.map((member) => this.limit(() => this.connectOther(member))),
    ])
    if (action !== 'status') this.whoIsMissing()
  }

  private async connectOne({ name, host }: Member, hold: boolean): Promise<void> {
    const begun = this.board.begin(name, 'connect')
    try {
      await host.connect(hold)
      this.board.of(name).connected = true
    } catch (thrown) {
      const error = asConvergeError(thrown)
      const looks = this.request.action === 'status'
      if (!isDown(error) || (this.request.down === 'fail' && !looks))
        return this.board.fail(name, 'connect', error, begun)
      Object.assign(this.board.of(name), { outcome: 'skipped', reason: error.message })
      this.board.done(name, 'connect', begun)
      if (!looks) this.board.warn(error, name, 'it is skipped, and brought up to date by the next run')
    }
  }

  private async connectOther({ name, host }: Member): Promise<void> {
    try {
      await host.connect(true)
    } catch (thrown) {
      this.missed.add(name)
      this.board.warn(asConvergeError(thrown), name, 'it does not hear of this, and is told by the next run')
    }
  }

  private whoIsMissing(): void {
    if (this.taking.every(({ name }) => !this.board.of(name).connected)) return this.stop('no host can be used')
    const failed = this.taking.filter(({ name }) => this.board.of(name).failure !== undefined)
    if (failed.length === 0) return
    const down = failed.every(({ name }) => this.board.of(name).failure?.code === 'CONNECT_FAILED')
    const hint = down ? ' (--down skip goes on without)' : ''
    this.stop(`${namesOf(failed).join(', ')} cannot be used; nothing was begun${hint}`)
  }

  /** Whoever is being set up or deployed to counts as there: what is built for its neighbours is built once. */
  private anticipate(): void {
    const { action } = this.request
    if (action === 'status') return
    const online = new Set(this.online)
    for (const { name } of this.taking)
      if (action === 'shutdown') online.delete(name)
      else if (this.board.well(name)) online.add(name)
    this.online = online
  }

  /** One commit for each app, by the first host that is to deploy it. */
  private async resolve(): Promise<void> {
    const asked = new Set<string>()
    for (const member of this.wanting()) {
      const own = member.apps.filter((app) => this.means(app) && !asked.has(app))
      if (own.length === 0) continue
      for (const app of own) asked.add(app)
      const unknown = own.filter((app) => !this.asTheOthers(app))
      if (unknown.length === 0) continue
      try {
        const said = await this.ask(member, 'revisions')
        for (const { app, revision, commit } of revisionsIn(said)) {
          if (commit === null || !unknown.includes(app)) continue
          this.commits[app] = { commit, revision }
          this.ports.tell({ event: 'commit', app, revision, commit })
        }
      } catch (thrown) {
        this.board.fail(member.name, 'look', asConvergeError(thrown))
        return this.stop('which commit to deploy could not be told; nothing was deployed')
      }
    }
  }

  /** A host that joins gets what the others are on, and not what the branch has come to since. */
  private asTheOthers(app: string): boolean {
    const { action, revision } = this.request
    const known = this.ports.known.apps[app]
    if (action !== 'setup' || revision !== null || known === undefined) return false
    if (!this.others.some(({ apps }) => apps.includes(app))) return false
    this.commits[app] = { commit: known.commit, revision: known.revision }
    this.ports.tell({ event: 'commit', app, revision: known.revision, commit: known.commit })
    return true
  }

  private means(app: string): boolean {
    return means(this.request, app)
  }

  /** The JSON of this deployment, which goes before all else: one commit for everybody. Who catches up gets what the others have. */
  private deployment(): object {
    const { apps, revision, action } = this.request
    const known = switching.includes(action) ? {} : this.ports.known.apps
    const scm: Record<string, object> = {}
    if (revision !== null) for (const app of apps) scm[app] = { revision }
    for (const [app, { revision, commit }] of Object.entries({ ...known, ...this.commits }))
      scm[app] = { revision, commit }
    if (Object.keys(scm).length === 0) return {}
    return { deploy: Object.fromEntries(Object.entries(scm).map(([app, one]) => [app, { scm: one }])) }
  }

  private documents({ name }: Member): readonly HostDocument[] {
    return this.ports.documents(name, this.online, this.deployment())
  }

  private ask(member: Member, command: 'revisions' | 'releases' | 'status'): Promise<unknown> {
    return member.host.ask([command], { roles: member.roles, documents: this.documents(member) })
  }

  /** What is live. Afterwards only those are asked with which something may have happened. */
  private async look(when: 'before' | 'after'): Promise<void> {
    const asked = this.taking.filter(({ name, apps }) => {
      const { connected, failure, phase } = this.board.of(name)
      if (!connected || apps.length === 0) return false
      return when === 'before' ? failure === undefined : phase === 'switch' || phase === 'rollback'
    })
    const look = async (member: Member) => {
      const progress = this.board.of(member.name)
      try {
        const releases = releasesIn(await this.ask(member, 'releases'))
        progress.live = liveOf(releases)
        if (when === 'before') progress.before = releases
      } catch (thrown) {
        // A host that has failed already is not worse off for that.
        if (when === 'before') this.board.fail(member.name, 'look', asConvergeError(thrown))
        else this.board.warn(asConvergeError(thrown), member.name)
      }
    }
    await Promise.all(asked.map((member) => this.limit(() => look(member))))
    if (when === 'before') this.countFailures()
  }

  private async status(): Promise<void> {
    const look = async (member: Member) => {
      const begun = this.board.begin(member.name, 'status')
      try {
        const seen = await this.ask(member, 'status')
        const behind = this.ports.known.behind.get(member.name)
        this.board.of(member.name).outcome = 'unchanged'
        this.board.done(member.name, 'status', begun, { status: seen, behind })
      } catch (thrown) {
        this.board.fail(member.name, 'status', asConvergeError(thrown), begun)
      }
    }
    await Promise.all(this.wanting().map((member) => this.limit(() => look(member))))
  }

  private async configure(): Promise<void> {
    const members = this.wanting()
    await this.together('configure', members, (member) => this.configureOne(member))
    this.countFailures()
  }

  /** One that missed a deployment gets that first. */
  private async configureOne(member: Member): Promise<void> {
    const late = this.ports.known.behind.get(member.name)
    if (late === undefined) return this.run(member, 'configure', ['configure'], {})
    this.board.say(`it missed deployment ${late}, and gets that now`, member.name)
    await this.run(member, 'configure', wholeWay, { options: ['--no-migrate'] })
    if (this.board.succeeded(member.name)) this.caughtUp.push(member.name)
  }

  /** Who did not take part hears who is there now; so do those that were set up before the rest was. */
  private async tellOthers(): Promise<void> {
    if (this.isStopped()) return
    const { action } = this.request
    const also = action === 'setup' ? this.taking.filter(({ name }) => this.board.succeeded(name)) : []
    const hear = this.others.filter(({ name }) => !this.missed.has(name))
    for (const { name } of hear) this.board.add(name, true)
    this.online = new Set([...this.online].filter((name) => this.isThere(name)))
    await this.together('configure', [...also, ...hear], (member) =>
      also.includes(member) ? this.run(member, 'configure', ['configure'], {}) : this.configureOne(member),
    )
  }

  /** One that was new and has failed is not there yet. */
  private isThere(name: string): boolean {
    const takes = this.taking.some((member) => member.name === name)
    return !takes || this.ports.known.online.has(name) || this.board.succeeded(name)
  }

  private wanting(): Member[] {
    return this.taking.filter(({ name }) => this.board.well(name))
  }

  private async everywhere(
    phase: Phase,
    members: readonly Member[],
    events: readonly string[],
    more: RunMore,
  ): Promise<void> {
    await this.together(phase, members, (member) => this.run(member, phase, events, more))
    this.countFailures()
  }

  private async together(
    phase: Phase,
    members: readonly Member[],
    work: (member: Member) => Promise<void>,
    batch: { readonly batch?: number; readonly batches?: number } = {},
  ): Promise<void> {
    if (members.length === 0) return
    this.ports.tell({ event: 'phase', phase, hosts: namesOf(members), ...batch })
    const one = async (member: Member) => {
      // What failed elsewhere meanwhile may have been too much.
      this.countFailures()
      if (phase === 'rollback' || !this.isStopped()) await work(member)
    }
    await Promise.all(members.map((member) => this.limit(() => one(member))))
  }

  /**
   * Batch after batch; with a gate, the site is asked in between whether it still answers. Where it did not before, because it is new or broken, it
   * is asked at the end: nothing else would ever bring it up.
   */
  private async inBatches(phase: Phase, events: readonly string[], more: BatchMore = {}): Promise<void> {
    const { reverse = false, gate = false, options = this.request.options, optionsFor = () => options } = more
    const { strategy, batch: size, action, migrates } = this.request
    const members = this.wanting()
    const deploys = switching.includes(action)
    const first = new Set(migrates !== false && deploys ? this.migrating(members) : [])
    const batches = batchesOf(members, { strategy, size, first, reverse })
    const answers = gate && batches.length > 1 && (await this.answers())
    const run = (member: Member) => {
      const migrate = deploys ? [first.has(member.name) ? '--migrate' : '--no-migrate'] : []
      return this.run(member, phase, events, { options: [...optionsFor(member), ...migrate] })
    }
    for (const [at, batch] of batches.entries()) {
      if (this.isStopped()) return
      await this.together(phase, batch, run, { batch: at + 1, batches: batches.length })
      this.countFailures()
      const last = at === batches.length - 1
      const asked = last || (answers && batch.some(({ apps }) => apps.length > 0))
      if (gate && asked && !this.isStopped()) await this.gate()
    }
  }

  /** For each app that is to be migrated the first host that has it; if it can be, one that does not migrate another app a second time. */
  private migrating(members: readonly Member[]): string[] {
    const chosen = new Map<string, Member>()
    const all = new Set(members.flatMap(({ migrating }) => migrating))
    for (const app of [...all].filter((one) => this.means(one) && !this.isMigrated(one))) {
      const having = members.filter(({ migrating }) => migrating.includes(app))
      const member = having.find(({ migrating }) => !migrating.some((other) => chosen.has(other))) ?? having[0]
      for (const one of member?.migrating ?? []) if (member && !chosen.has(one)) chosen.set(one, member)
    }
    return [...chosen.values()].map(({ name }) => name)
  }

  /** A host that is new changes nothing about the data. */
  private isMigrated(app: string): boolean {
    const before = this.ports.known.apps[app]?.commit
    return this.request.migrates === 'new' && before !== undefined && before === this.commits[app]?.commit
  }

  /** Whether the site answers before anything is switched. */
  private async answers(): Promise<boolean> {
    const { health, known } = this.ports
    if (health === null) return false
    const { ok, what, detail } = await health(aMoment)
    // A site that was never there is not missed.
    if (!ok && this.taking.some(({ name }) => known.online.has(name)))
      this.board.say(
        `the site did not answer before this: ${what}: ${detail}; it is asked again when all hosts are done`,
      )
    return ok
  }

  private async gate(): Promise<void> {
    if (this.ports.health === null) return
    const { ok, what, detail } = await this.ports.health()
    this.ports.tell({ event: 'health', what, ok, detail })
    if (!ok) this.stop(`the site does not answer as it should: ${what}: ${detail}`)
  }

  private async run(
    member: Member,
    phase: Phase,
    events: readonly string[],
    { dry = false, options = [] }: RunMore,
  ): Promise<void> {
    const { name, host } = member
    const begun = this.board.begin(name, phase)
    const own = this.request.roles.length > 0
    const roles = own ? this.request.roles : member.roles
    const has = own || phase === 'hooks' ? events : events.filter((event) => member.events.has(event))
    // None of its roles has a part in that.
    if (has.length === 0) {
      this.board.ran(name, phase, null, null)
      return this.board.done(name, phase, begun)
    }
    try {
      const request = { events: has, roles, documents: this.documents(member), dry, options, keeps: keeps[phase] }
      const { status, report, failure } = await host.run(request, (event) => this.hear(name, phase, event))
      const failed = failure ?? (status === 0 ? null : { code: 'REMOTE_FAILED', message: `exit status ${status}` })
      this.board.ran(name, phase, report, failed)
      this.board.done(name, phase, begun, report === null ? {} : { report })
    } catch (thrown) {
      this.board.fail(name, phase, asConvergeError(thrown), begun)
    }
  }

  private hear(host: string, phase: Phase, event: RunEvent): void {
    this.ports.log(host, event)
    if (event.event === 'applying') this.ports.tell({ event: 'host', host, phase, step: event.name })
    else if (event.event === 'warning') this.ports.tell({ event: 'warning', host, message: String(event.message) })
  }

  private countFailures(): void {
    const { action, maxFailures } = this.request
    if (action === 'plan' || action === 'status') return
    const failed = this.taking.filter(({ name }) => this.board.of(name).failure !== undefined).length
    const most = amountOf(maxFailures, this.taking.length, 0)
    if (failed > most)
      this.stop(`${failed === 1 ? 'one host' : `${failed} hosts`} failed, and --max-failures is ${most}`)
  }

  private stop(why: string): void {
    this.stopped ??= why
  }

  private isStopped(): boolean {
    return this.stopped !== undefined || this.ports.interrupted() !== 'none'
  }

  private heardInterruption(state: Interruption): void {
    const { members } = this.ports
    if (state === 'leave') for (const { host } of members) host.close()
    if (state !== 'finish steps') return
    for (const { host, name } of members)
      host.interrupt().catch((thrown: unknown) => this.board.warn(asConvergeError(thrown), name))
  }

  private report(): RolloutReport {
    const { action, stack, comment, by, strategy } = this.request
    const { stopped, begun } = this
    const hosts = this.board.reports()
    return {
      id: this.ports.id,
      ...{ stack, action, comment, by, strategy, hosts },
      started: new Date(begun).toISOString(),
      durationMs: this.ports.clock() - begun,
      outcome: outcomeOf(hosts, stopped !== undefined, this.ports.interrupted()),
      commits: Object.fromEntries(Object.entries(this.commits).map(([app, { commit }]) => [app, commit])),
      warnings: this.board.warnings,
      ...(stopped === undefined ? {} : { stopped }),
    }
  }
}

interface RunMore {
  readonly dry?: boolean
  readonly options?: readonly string[]
}

interface BatchMore {
  readonly reverse?: boolean
  readonly gate?: boolean
  readonly options?: readonly string[]
  readonly optionsFor?: (member: Member) => readonly string[]
}

function noSuchRelease(wanted: string): ConvergeError {
  return new ConvergeError(`it has no release of ${wanted.slice(0, 12)} to go back to`, {
    code: 'NO_SUCH_RELEASE',
    hint: 'converge stack rollback --to takes a commit, or the id of a release; converge stack log says what each host was on',
  })
}

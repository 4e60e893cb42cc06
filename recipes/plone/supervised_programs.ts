/** Declares the programs of a buildout app in supervisord, and restarts them; reads those recorded with a release. */
import * as z from 'zod'
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import type { LocalBalancer } from '../../resources/balancer/queries.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { supervisor_cleanup } from '../../resources/supervisor/supervisor_cleanup.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { endStop } from '../app/stopped.ts'
import { requireSupervisor } from '../app/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { absentServers, balancersOf, localBalancer, serverAt, uncoordinatedHosts } from './balancing.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { mountWaiter, waiterOf, waitsForMount } from './mount_waiter.ts'
import { type Program, programs } from './programs.ts'
import { readinessTest } from './readiness.ts'
import type { BuildoutRole } from './types.ts'

/** Declares the configuration of the programs, and their restart after a change of it or of the release. */
export function restartPrograms(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  desired: readonly Program[],
  options: CommonOptions & { readonly force?: string },
): void {
  const { when, force, ...guard } = options
  const { supervisor } = app
  endStop(r, app)
  // Start supervisord after a crash, or if nothing starts it with the host.
  requireSupervisor(r, node, app)
  const waits = waitsForMount(node, app)
  const declared = desired.map((one) => {
    const { name, command, directory, environment, type, events } = one
    const user = app.account.user === undefined ? undefined : (one.user ?? app.account.user)
    const program = supervisor_program(r, {
      name,
      app: app.name,
      command,
      directory,
      environment: { ...homeOf(app, user), ...environment },
      type,
      events,
      autostart: !waits,
      confDir: supervisor.confDir,
      logDir: supervisor.logDir,
      socket: supervisor.socket,
      // Zope finishes the requests under way on INT, and interrupts them on TERM.
      stopSignal: one.port === undefined ? 'TERM' : 'INT',
      stopWait: seconds(60),
      ...omitUndefined({ user }),
      ...guard,
    })
    return { one, program }
  })
  const names = desired.map(({ name }) => name)
  mountWaiter(r, node, app, names, guard)
  removeOtherPrograms(r, app, waits ? [...names, waiterOf(app)] : names, guard)
  const { drain, max_unavailable } = node.converge.balancer
  const restart = (local: LocalBalancer | null) => {
    const balancers = balancersFor(node, app.role, local)
    service_restart(r, {
      provider: { kind: 'supervisor', socket: supervisor.socket },
      services: declared.map(({ one, program }) => ({
        name: one.name,
        configuration: program.digest,
        log: logOf(app, one),
        delay: one.delay,
        ready: readinessTest(node, app, one),
        ...loadsOf(app, one),
        ...serverOf(node, one, balancers),
      })),
      deadline: seconds(node.converge.readiness.deadline_seconds),
      balancers,
      drain,
      drainDeadline: drainDeadline(node),
      maxUnavailable: max_unavailable,
      ...(app.role === 'zeo-client'
        ? { neighbours: uncoordinatedHosts(node, local), absent: absentServers(node) }
        : {}),
      ...(when ? { when } : {}),
      ...(force ? { force } : {}),
      ...guard,
    })
  }
  r.given(localBalancer(node), restart)
}

/**
 * Returns the files that a ZEO server loads: it runs none of the site's code, so most releases change none of them. For
 * another command the files are unknown, and each release restarts it.
 */
function loadsOf(app: BuildoutApp, { command }: Program) {
  if (command !== `${app.current}/bin/zeoserver fg`) return {}
  return { loads: { current: app.current, paths: ['bin/zeoserver', 'parts/zeoserver/etc/zeo.conf'] } }
}

/** Returns the balancers that drain the clients before they restart or stop; other programs have none. */
function balancersFor(node: SiteNode, role: BuildoutRole, local: LocalBalancer | null) {
  return role === 'zeo-client' ? balancersOf(node, local) : []
}

function serverOf(node: SiteNode, { port }: Program, balancers: readonly unknown[]) {
  return port === undefined || balancers.length === 0 ? {} : { server: serverAt(node, port) }
}

function drainDeadline({ converge }: SiteNode) {
  return seconds(converge.balancer.drain_deadline_seconds)
}

/** Returns the balancer options of `service`, which drains a program before it stops, and sets it ready later. */
export function balancerOptions(node: SiteNode, { role }: BuildoutApp, program: Program, local: LocalBalancer | null) {
  const balancers = balancersFor(node, role, local)
  return { ...serverOf(node, program, balancers), balancers, drainDeadline: drainDeadline(node) }
}

export function logOf({ supervisor }: BuildoutApp, { name }: Program): string {
  return `${supervisor.logDir}/${name}.log`
}

/** Removes the app's programs from supervisord, except those to keep. */
export function removeOtherPrograms(
  r: Recipe<SiteNode>,
  app: BuildoutApp,
  keep: readonly string[],
  guard: CommonOptions = {},
): void {
  const { confDir, socket } = app.supervisor
  supervisor_cleanup(r, { app: app.name, keep, confDir, socket, ...guard })
}

/** Returns HOME and USER of the account, because a supervisord of root gives its programs root's HOME. */
function homeOf({ account, attributes: own }: BuildoutApp, user: string | undefined): Record<string, string> {
  if (user === undefined) return {}
  const home = user === account.user ? own.home : user === 'root' ? '/root' : undefined
  return { HOME: home ?? `/home/${user}`, USER: user }
}

/** The schema of a program recorded with its release, for a rollback; delay, readiness and account are not recorded. */
const recordedProgram = z.object({
  name: z.string(),
  command: z.string(),
  directory: z.string(),
  environment: z.record(z.string(), z.string()),
  type: z.enum(['program', 'eventlistener']),
  events: z.array(z.string()),
  port: z.int().min(1).max(65_535).nullable(),
})
const releaseRecord = z.object({ programs: z.array(recordedProgram) })

export function programRecord({
  delay: _,
  environment,
  events,
  port,
  ready: __,
  user: ___,
  ...program
}: Program): z.output<typeof recordedProgram> {
  return { ...program, environment: { ...environment }, events: [...events], port: port ?? null }
}

/**
 * Returns the recorded programs of a release, else those from the attributes. The app's account owns the record, and
 * root uses it, so it may name the app's programs only.
 */
export function recordedPrograms(
  node: SiteNode,
  app: BuildoutApp,
  release: Release | undefined,
  r?: Recipe<SiteNode>,
): readonly Program[] {
  const requested = programs(node, app.role, { deployTo: app.deployTo })
  if (release === undefined || release.record === null) return requested
  const found = releaseRecord.safeParse(release.record)
  if (!found.success || !found.data.programs.every(({ name }) => isOwn(node, app, name))) {
    r?.warn(
      `the programs recorded with ${release.path} are not taken: converge did not write them (check who can write there, and deploy again)`,
    )
    return requested
  }
  return found.data.programs.map(({ port, ...program }) => {
    const same = requested.find(({ name }) => name === program.name)
    const { delay = seconds(0), ready } = same ?? {}
    // The app's account can write the record, which must not decide what runs as another account.
    const user = same?.command === program.command && same.type === program.type ? same.user : undefined
    return {
      ...program,
      delay,
      ...omitUndefined({ ready, user }),
      ...(port === null ? {} : { port }),
    }
  })
}

function isOwn({ deploy }: SiteNode, { name: app }: BuildoutApp, name: string): boolean {
  const of = (one: string) => name === one || name.startsWith(`${one}-`)
  return of(app) && !Object.keys(deploy).some((other) => other.startsWith(`${app}-`) && of(other))
}

/** Declares what depends on the programs that run now: those of the current release. */
export function givenCurrentPrograms(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  declare: (programs: readonly Program[]) => void,
): void {
  r.given(currentReleaseOf(app), (current) => declare(recordedPrograms(node, app, current, r)))
}

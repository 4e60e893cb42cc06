/**
 * Imitates supervisord on the in-memory host: groups, their states by the host's clock, and the ports on which programs
 * answer.
 */

import type { Response } from '../../core/host/types.ts'
import type { RequestHandler, VirtualHost } from '../../core/host/virtual.ts'

export interface Behaviour {
  /** Port the program answers HTTP on once it is ready. */
  readonly port?: number
  /** Seconds from start to RUNNING; default 0. */
  readonly startsecs?: number
  /** Seconds from start to the first HTTP answer; default 0. */
  readonly readyAfter?: number
  /** Seconds from the stop signal to the exit; default 0. */
  readonly stopAfter?: number
  /** Seconds for which the port stays taken after the exit; default 0. */
  readonly holdsPort?: number
  /** Seconds from start to exit, and the state after it; default: the program keeps running. */
  readonly dies?: { readonly after: number; readonly as: 'BACKOFF' | 'FATAL' | 'EXITED' | 'again' }
  /** HTTP status it answers with; default 200. */
  readonly status?: number
  /** Headers of its answers; default: none. */
  readonly headers?: Readonly<Record<string, string>>
  /** Signal that ends the program permanently. */
  readonly diesOf?: string
  /** The text that it writes to its log file at each start; default: none, and only supervisord has a line. */
  readonly prints?: string
  /** Fault code returned when the program is started. */
  readonly fault?: number | undefined
}

export interface FakeOptions {
  readonly socket?: string
  readonly confDir?: string
  /** Programs that run before the test starts, with the configuration that `confDir` has at that moment. */
  readonly running?: readonly string[]
  readonly stopped?: readonly string[]
  readonly failing?: readonly string[]
  /** supervisord's own log; default: there is none. */
  readonly mainLog?: string
  /** Default true. */
  readonly up?: boolean
  /** Programs by name, or a function that is called each time the fake needs them. */
  readonly programs?:
    | Readonly<Record<string, Behaviour>>
    | ((name: string, group: LoadedProgram, host: VirtualHost) => Behaviour)
}

/** The data that supervisord has loaded about a program. */
export interface LoadedProgram {
  /** The text of its configuration file when supervisord loaded it. */
  readonly config: string
  /** The directory of the last start; if its last component is a link, the link's target. */
  readonly startedIn: string | null
}

/** A program as a test sees it. */
export interface FakeProcess extends LoadedProgram {
  readonly state: string
  readonly pid: number
}

interface Group extends LoadedProgram {
  startedAt: number | null
  stoppedAt: number | null
  pid: number
  failing: boolean
  /** Whether the program is in state FATAL: supervisord no longer restarts it. */
  fatal: boolean
  startedIn: string | null
  /** Lines in the log that only supervisord can read: one for each start and signal. */
  logged: number
}

interface World {
  up: boolean
  readonly groups: Map<string, Group>
  configuration: Map<string, string>
  nextPid: number
}

/** Returns the log that only supervisord can read. */
function logOf(name: string, { logged }: Group): string {
  return Array.from({ length: logged }, (_, index) => `line ${index + 1}, log of ${name}\n`).join('')
}

class Fault extends Error {
  constructor(
    readonly code: number,
    text: string,
  ) {
    super(text)
  }
}

export class FakeSupervisor {
  /** The handler for `requests` of a VirtualHost. */
  readonly requests: RequestHandler
  private readonly worlds = new WeakMap<VirtualHost, World>()
  private readonly options: Required<FakeOptions>

  constructor(options: FakeOptions = {}) {
    const defaults = {
      socket: '/var/run/supervisor.sock',
      confDir: '/etc/supervisor/conf.d',
      running: [],
      stopped: [],
      failing: [],
      mainLog: '',
      up: true,
      programs: {},
    }
    this.options = { ...defaults, ...options }
    this.requests = ({ socketPath, port, path, body, method }, host) => {
      const world = this.world(host)
      if (socketPath === undefined) return this.answerHttp(world, host, port ?? 80, path ?? '/')
      if (!world.up || socketPath !== this.options.socket) return null
      if (method !== 'POST' || path !== '/RPC2') return { status: 404, headers: {}, body: '' }
      return rpc(() => this.answerCall(world, host, body ?? ''))
    }
  }

  /** Runs `supervisord -c`. */
  startSupervisord(host: VirtualHost): void {
    const world = this.world(host)
    world.up = true
    world.configuration = this.files(host)
    for (const [name, config] of world.configuration) {
      const added = this.add(world, name)
      if (startsItself(config)) this.start(world, host, name, added)
    }
  }

  /** Ends supervisord and all programs it runs. */
  endSupervisord(host: VirtualHost): void {
    const world = this.world(host)
    for (const group of world.groups.values()) this.workIn(host, group, '/')
    world.up = false
    world.groups.clear()
  }

  isUp(host: VirtualHost): boolean {
    return this.world(host).up
  }

  /** Sets a program to FATAL, as supervisord does if it exits too often. */
  giveUp(host: VirtualHost, name: string): void {
    const group = this.world(host).groups.get(name)
    if (group) group.fatal = true
  }

  /** Returns every program that supervisord has loaded. */
  processes(host: VirtualHost): Record<string, FakeProcess> {
    const groups = [...this.world(host).groups].sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(
      groups.map(([name, group]) => {
        const { pid, config, startedIn } = group
        return [name, { state: this.state(host, name, group), pid, config, startedIn }]
      }),
    )
  }

  /** Copies all programs from one host to another. */
  copyFrom(from: FakeSupervisor, fromHost: VirtualHost, toHost: VirtualHost): void {
    const { groups, ...rest } = from.world(fromHost)
    this.worlds.set(toHost, { ...rest, groups: new Map([...groups].map(([name, group]) => [name, { ...group }])) })
  }

  /** Returns the states by name, as a test sees them. */
  states(host: VirtualHost): Record<string, string> {
    const world = this.world(host)
    return Object.fromEntries([...world.groups].map(([name, group]) => [name, this.state(host, name, group)]))
  }

  private world(host: VirtualHost): World {
    const known = this.worlds.get(host)
    if (known) return known
    const { up, running, stopped, failing } = this.options
    const world: World = { up, groups: new Map(), configuration: this.files(host), nextPid: 100 }
    this.worlds.set(host, world)
    for (const name of [...running, ...stopped, ...failing]) {
      const group = this.add(world, name)
      if (running.includes(name)) Object.assign(group, { startedAt: 0, pid: world.nextPid++, logged: 1 })
      group.failing = failing.includes(name)
    }
    return world
  }

  private files(host: VirtualHost): Map<string, string> {
    const { confDir } = this.options
    return new Map(
      host.list(confDir).map((name) => [name.replace(/\.conf$/, ''), host.readText(`${confDir}/${name}`) ?? '']),
    )
  }

  private behaviour(host: VirtualHost, name: string, group: Group): Behaviour {
    const { programs } = this.options
    return typeof programs === 'function' ? programs(name, group, host) : (programs[name] ?? {})
  }

  private state(host: VirtualHost, name: string, group: Group): string {
    const { startsecs = 0, stopAfter = 0, dies } = this.behaviour(host, name, group)
    if (group.fatal) return 'FATAL'
    if (group.failing) return 'BACKOFF'
    if (group.stoppedAt !== null) return host.clock - group.stoppedAt < stopAfter ? 'STOPPING' : 'STOPPED'
    if (group.startedAt === null) return 'STOPPED'
    const age = host.clock - group.startedAt
    // Programs that ran before the test started do not fail this way.
    if (dies && group.startedAt > 0 && age >= dies.after && dies.as !== 'again') return dies.as
    return age < startsecs ? 'STARTING' : 'RUNNING'
  }

  private answerHttp(world: World, host: VirtualHost, port: number, path: string): Response | null {
    for (const [name, group] of world.groups) {
      const {
        port: own,
        readyAfter = 0,
        stopAfter = 0,
        holdsPort = 0,
        status = 200,
        headers = {},
      } = this.behaviour(host, name, group)
      if (own !== port) continue
      const state = this.state(host, name, group)
      const isPortTaken = group.stoppedAt !== null && host.clock - group.stoppedAt < stopAfter + holdsPort
      if (isPortTaken) return { status: 503, headers: {}, body: 'stopping' }
      const up = state === 'RUNNING' || state === 'STARTING'
      const body = `${path} of ${group.startedIn}`
      if (up && host.clock - (group.startedAt ?? 0) >= readyAfter) return { status, headers, body }
    }
    return null
  }

  private add(world: World, name: string): Group {
    const group = {
      config: world.configuration.get(name) ?? '',
      startedAt: null,
      stoppedAt: null,
      pid: 0,
      failing: false,
      fatal: false,
      startedIn: null,
      logged: 0,
    }
    world.groups.set(name, group)
    return group
  }

  private start(world: World, host: VirtualHost, name: string, group: Group): void {
    const directory = /^directory=(.*)$/m.exec(group.config)?.[1]
    const startedIn =
      directory === undefined ? null : host.lstat(directory)?.kind === 'link' ? host.readLink(directory) : directory
    this.workIn(host, group, '/')
    const up = { startedAt: host.clock, stoppedAt: null, failing: false, pid: world.nextPid++, startedIn }
    const { fault, prints = '' } = this.behaviour(host, name, group)
    Object.assign(group, up, { fatal: fault !== undefined, logged: group.logged + 1 })
    const log = `/var/log/${name}.log`
    if (prints !== '') host.given(log, `${host.readText(log) ?? ''}${prints}`)
    this.workIn(host, group, startedIn ?? '/')
  }

  /** Sets the working directory of the process, as proc(5) shows it; the root if the process has ended. */
  private workIn(host: VirtualHost, { pid }: Group, directory: string): void {
    if (pid > 0) host.given(`/proc/${pid}/cwd`, { link: directory })
  }

  private answerCall(world: World, host: VirtualHost, body: string): unknown {
    const method = /<methodName>supervisor\.(\w+)</.exec(body)?.[1] ?? ''
    const [name = ''] = [...body.matchAll(/<param><value><string>([^<]*)</g)].map(([, text]) => text ?? '')
    const group = () => world.groups.get(name) ?? fault(10, `BAD_NAME: ${name}`)
    const up = (one: Group) => !['STOPPED', 'EXITED', 'FATAL'].includes(this.state(host, name, one))
    switch (method) {
      case 'getState':
        return { statecode: 1, statename: 'RUNNING' }
      case 'getAllProcessInfo':
        return [...world.groups].map(([one, found]) => this.info(host, one, found))
      case 'reloadConfig':
        return [this.reload(world, host)]
      case 'addProcessGroup': {
        if (world.groups.has(name)) return fault(90, `ALREADY_ADDED: ${name}`)
        const config = world.configuration.get(name) ?? fault(10, `BAD_NAME: ${name}`)
        const added = this.add(world, name)
        if (startsItself(config)) this.start(world, host, name, added)
        return true
      }
      case 'removeProcessGroup':
        if (up(group())) return fault(91, `STILL_RUNNING: ${name}`)
        return world.groups.delete(name)
      case 'startProcess': {
        const { fault: refused } = this.behaviour(host, name, group())
        if (refused !== undefined) return fault(refused, `NO_FILE: can't find command 'x'`)
        if (up(group())) return fault(60, `ALREADY_STARTED: ${name}`)
        this.start(world, host, name, group())
        return true
      }
      case 'stopProcess':
        if (!up(group()) || this.state(host, name, group()) === 'STOPPING') return fault(70, `NOT_RUNNING: ${name}`)
        this.workIn(host, group(), '/')
        Object.assign(group(), { stoppedAt: host.clock, failing: false })
        return true
      case 'signalProcess':
        if (!up(group())) return fault(70, `NOT_RUNNING: ${name}`)
        group().logged++
        group().fatal = body.includes(`<string>${this.behaviour(host, name, group()).diesOf}<`)
        return true
      case 'tailProcessStdoutLog':
        return ['', logOf(name, group()).length, false]
      case 'readLog':
        return this.options.mainLog || fault(20, 'NO_FILE')
      case 'readProcessStdoutLog':
        return logOf(name, group()).slice(Number(/<int>(-?\d+)<\/int>/.exec(body)?.[1]))
      case 'shutdown':
        world.up = false
        world.groups.clear()
        return true
      default:
        return fault(1, 'UNKNOWN_METHOD')
    }
  }

  private info(host: VirtualHost, name: string, group: Group): Record<string, unknown> {
    const state = this.state(host, name, group)
    const { dies } = this.behaviour(host, name, group)
    const again =
      dies?.as === 'again' && (group.startedAt ?? 0) > 0 && host.clock - (group.startedAt ?? 0) >= dies.after
    const pid = ['RUNNING', 'STARTING', 'STOPPING'].includes(state) ? group.pid + (again ? 1000 : 0) : 0
    const spawnerr = state === 'BACKOFF' || state === 'FATAL' ? 'Exited too quickly (process log may have details)' : ''
    return {
      name,
      group: name,
      statename: state,
      pid,
      start: group.startedAt ?? 0,
      spawnerr,
      exitstatus: 0,
      stdout_logfile: `/var/log/${name}.log`,
      stderr_logfile: '',
    }
  }

  private reload(world: World, host: VirtualHost): string[][] {
    world.configuration = this.files(host)
    const now = [...world.configuration]
    const added = now.filter(([name]) => !world.groups.has(name)).map(([name]) => name)
    const changed = now
      .filter(([name, text]) => (world.groups.get(name)?.config ?? text) !== text)
      .map(([name]) => name)
    return [added, changed, [...world.groups.keys()].filter((name) => !world.configuration.has(name))]
  }
}

function fault(code: number, text: string): never {
  throw new Fault(code, text)
}

function rpc(work: () => unknown): Response {
  const wrap = (inner: string) => `<?xml version='1.0'?>\n<methodResponse>\n${inner}\n</methodResponse>\n`
  let body: string
  try {
    body = wrap(`<params>\n<param>\n${encode(work())}\n</param>\n</params>`)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    body = wrap(`<fault>\n${encode({ faultCode: error.code, faultString: error.message })}\n</fault>`)
  }
  return { status: 200, headers: { 'content-type': 'text/xml' }, body }
}

/** Encodes a value as Python's xmlrpc.client does. */
function encode(value: unknown): string {
  if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`
  if (typeof value === 'number') return `<value><int>${value}</int></value>`
  if (typeof value === 'string')
    return `<value><string>${value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</string></value>`
  if (Array.isArray(value)) return `<value><array><data>\n${value.map(encode).join('\n')}\n</data></array></value>`
  const members = Object.entries(value as object).map(
    ([name, item]) => `<member>\n<name>${name}</name>\n${encode(item)}\n</member>`,
  )
  return `<value><struct>\n${members.join('\n')}\n</struct></value>`
}

/** Decides whether supervisord starts the program as soon as it loads it, which is the default. */
function startsItself(config: string): boolean {
  return !/^autostart=false\b/m.test(config)
}

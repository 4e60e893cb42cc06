/**
 * Imitates a whole host in memory for the built-in roles: packages, accounts, git, Python, buildout, supervisord and
 * the clients it runs. A kill can happen at each change, and inside each command.
 */

import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { compile, defaultEvents } from '../../core/compile/compile.ts'
import type { Finding, HostCheck, Inspection } from '../../core/compile/inspection.ts'
import type { Role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { refuseSilentMounts } from '../../core/host/network_mounts.ts'
import type { CommandOptions, CommandResult } from '../../core/host/types.ts'
import { VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { Secrets } from '../../core/model/secrets.ts'
import type { Facts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import type { RunReport } from '../../core/report/events.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { recipeNode, type SiteNode } from '../../recipes/node.ts'
import type { TreeEntry } from '../../recipes/testing/file_tree.ts'
import { listReleases, type Release } from '../../resources/releases/releases.ts'
import type { FakeRemote, Working } from './fake_git.ts'
import type { FakeHaproxy } from './fake_haproxy.ts'
import { Machine } from './fake_machine.ts'
import { buildout, python, systemPrograms } from './fake_programs.ts'
import { factsOf, jane, passwordLine, prefix, siteAttributes, siteRemote } from './fake_stack.ts'
import { type Behaviour, type FakeProcess, FakeSupervisor, type LoadedProgram } from './fake_supervisor.ts'
import type { NodeJson } from './golden.ts'

/** SIGKILL of the run: after it, the run has no further effect. */
class Killed extends Error {}

export interface FakeHostOptions {
  /** The account that runs converge: root or an ordinary user; default root. */
  readonly user?: 'root' | 'jane'
  /** Whether everything is below a prefix; default: only for the ordinary user. */
  readonly prefixed?: boolean
  readonly init?: Facts['init']
  readonly roles?: readonly string[]
  readonly attributes?: NodeJson
  /** Contents by URL. */
  readonly downloads?: Readonly<Record<string, string>>
}

export interface RunOptions {
  readonly roles?: readonly string[] | undefined
  readonly mode?: 'run' | 'plan'
  readonly to?: string
  readonly full?: boolean
  readonly purge?: boolean
  readonly revision?: string
  readonly migrate?: boolean
  readonly retryFailed?: boolean
  /** The number of the change or half effect, counted from 1, right before which the run is killed. */
  readonly killAt?: number
}

export class FakeHost {
  readonly machine: Machine
  readonly supervisor: FakeSupervisor
  /** The custom JSON, which a test may change. */
  attributes: NodeJson
  /** The output of a failing build; null: builds succeed. */
  buildFailure: string | null = null
  /** The balancers in front of the clients, if any. */
  balancers: FakeHaproxy | null = null
  /** The action of the program of the jobs that fails. */
  failingUpkeep: string | null = null
  /** Behaviour of programs, in addition to what the release defines. */
  programs: Record<string, Behaviour> = {}
  /** A mount point whose server does not answer; null: all answer. */
  silentMount: string | null = null
  /** Paths at and below it that were read, which blocks the reader for ever. */
  readonly blockedReads: string[] = []
  /** Whether Celery workers receive requests through their broker. */
  hasBroker = true
  /** The number of changes and half effects in the last run. */
  events = 0
  /** The change or half effect before which the run was killed. */
  killedBefore: string | null = null
  /** Hooks and commands of the app that have run, each with the number of its release. */
  done: string[] = []
  private killAt: number | undefined

  constructor(
    readonly options: FakeHostOptions = {},
    readonly remote: FakeRemote = siteRemote(),
  ) {
    const { user = 'root', init = 'other' } = options
    this.attributes = options.attributes ?? siteAttributes(this.remote.url)
    const { root } = this
    this.supervisor = new FakeSupervisor({
      up: false,
      socket: `${root}/var/run/supervisor.sock`,
      confDir: `${root}/etc/supervisor/conf.d`,
      programs: (name, taken) => this.behaviour(name, taken),
    })
    this.machine = new Machine(this.virtualOptions())
    this.machine.onSleep = () => this.failIfKilled()
    this.machine.given('/var/run', null).given('/etc/logrotate.d', null)
    if (init === 'systemd') this.machine.given('/run/systemd/system', null)
    // The commands of migrations and smoke tests in tests.
    for (const program of ['fail', 'migrate', 'smoke']) this.machine.given(`/usr/bin/${program}`, '', '0755')
    if (root === '') return
    // If a run does not change the system, these programs must already be installed.
    for (const program of ['git', 'python3', 'crontab']) this.machine.given(`/usr/bin/${program}`, '', '0755')
    if (user === 'jane') this.machine.given('/etc/passwd', `root:x:0:0:root:/root:/bin/bash\n${passwordLine(jane)}`)
    if (user === 'jane') this.machine.given('/etc/group', 'root:x:0:\njane:x:1000:\n')
    this.machine.given(prefix, null)
  }

  private virtualOptions(): VirtualOptions {
    return {
      ...(this.options.user === 'jane' ? { self: jane } : {}),
      downloads: this.options.downloads,
      commands: (argv, options) => this.command(argv, options),
      requests: (options, host) => this.supervisor.requests(options, host),
      exchanges: (options, host) => this.balancers?.exchanges(options, host) ?? this.zeoBanner(options.port),
      beforeChange: (_, what) => this.countEvent(what),
      beforeRead: (path) => this.blockAtSilentMount(path),
    }
  }

  /**
   * Runs events of the roles, as `converge` does.
   * @throws ConvergeError if the recipes reject the attributes
   */
  async run(events: readonly string[] = defaultEvents, options: RunOptions = {}): Promise<RunReport> {
    const { mode = 'run', killAt } = options
    this.machine.runs++
    Object.assign(this, { events: 0, killAt, killedBefore: null })
    const roles = await loadRoles(options.roles ?? this.options.roles ?? ['zeo-client'])
    const [node, secrets] = this.node(roles, events, options)
    const plan = compile(roles, events, node)
    await refuseSilentMounts(this.machine)
    const host = mode === 'plan' ? new VirtualHost({ base: this.machine }) : this.machine
    const below = this.machine.isRoot && this.root !== '' ? { prefix } : {}
    const report = await converge(plan, host, { id: 'test', mode, secrets, ...below })
    this.killAt = undefined
    return report
  }

  /** Returns what `status`, `releases` and `doctor` display about the first role. */
  async inspect(): Promise<Inspection> {
    await refuseSilentMounts(this.machine)
    const role = (await loadRoles(this.options.roles ?? ['zeo-client'])).find(({ inspect }) => inspect !== undefined)
    const inspection = role && (await role.inspect?.(this.node([role], [], {})[0], this.machine))
    if (inspection === undefined) throw new Error('the role shows nothing')
    return inspection
  }

  private node(roles: readonly Role<SiteNode>[], events: readonly string[], options: RunOptions): [SiteNode, Secrets] {
    const layers = [objectLayer(this.attributes, 'custom.json', 'deployment')]
    for (const { name, attributes } of roles) layers.push(objectLayer(attributes, `role ${name}`, 'role'))
    if (this.root !== '') layers.push(objectLayer({ converge: { prefix } }, '--prefix', 'deployment'))
    const { user = 'root', init = 'other' } = this.options
    const facts = factsOf(user, init)
    const built = buildNode({ layers, facts, schemas: attributeSchemas, foreignKeys })
    const secrets = new Secrets()
    for (const secret of built.secrets) secrets.add(secret)
    const { to, full, purge, revision, migrate, retryFailed } = options
    const run = {
      id: `run ${this.machine.runs}`,
      events,
      by: 'tester@plone1',
      roles: roles.map(({ name }) => name),
    }
    return [recipeNode(built, { ...run, options: { to, full, purge, revision, migrate, retryFailed } }), secrets]
  }

  /** Copies the host with all its files and processes; changes to one do not affect the other. */
  clone(): FakeHost {
    const copy = new FakeHost(this.options, this.remote.fork())
    const { machine, supervisor } = copy
    machine.copyFrom(this.machine)
    supervisor.copyFrom(this.supervisor, this.machine, machine)
    Object.assign(copy, { attributes: this.attributes, buildFailure: this.buildFailure, programs: this.programs })
    return copy
  }

  /** Lists everything on the host by path. */
  tree(below?: string): Record<string, TreeEntry> {
    return this.machine.tree(below)
  }

  /** Returns what `doctor` reports about the roles and the host, by check; the message of a check that throws. */
  async doctor(): Promise<Record<string, Finding | string | null>> {
    await refuseSilentMounts(this.machine)
    const names = this.options.roles ?? ['zeo-client']
    const roles = await loadRoles(names)
    const [node] = this.node(roles, [], {})
    const ofRoles = await Promise.all(roles.map((role) => role.checks?.(node, this.machine, names) ?? []))
    const checks = [...ofRoles.flat(), ...(await catalogue.checks(node, this.machine, names))]
    const finding = async ({ run }: HostCheck) => run()
    const failure = (thrown: unknown) => asConvergeError(thrown).message
    const findings = checks.map(async (check) => [check.what, await finding(check).catch(failure)] as const)
    return Object.fromEntries(await Promise.all(findings))
  }

  /** Whether a program that reads a path waits for the server of a mount. */
  private wouldBlock(path: string): boolean {
    const before = this.blockedReads.length
    try {
      this.machine.stat(path)
    } catch (error) {
      if (this.blockedReads.length === before) throw error
    }
    return this.blockedReads.splice(before).length > 0
  }

  private blockAtSilentMount(path: string): void {
    const { silentMount } = this
    if (silentMount === null || !(path === silentMount || path.startsWith(`${silentMount}/`))) return
    this.blockedReads.push(path)
    throw new Error(`nothing answers a read of ${path}`)
  }

  private countEvent(what: string): void {
    this.failIfKilled()
    this.events++
    if (this.events !== this.killAt) return
    this.killedBefore = what
    throw new Killed(`killed before ${what}`)
  }

  private failIfKilled(): void {
    if (this.killedBefore !== null) throw new Killed('killed already')
  }

  /** Returns the bytes that a ZEO server sends to a new connection. */
  private zeoBanner(port: number | undefined): string | null {
    return port === 8001 && this.isRunning('zeoserver') ? '\0\0\0\x02Z5' : null
  }

  private isRunning(script: string): boolean {
    const processes = Object.values(this.supervisor.processes(this.machine))
    return processes.some(({ config, state }) => state === 'RUNNING' && config.includes(`/bin/${script} `))
  }

  private behaviour(name: string, { config, startedIn }: LoadedProgram): Behaviour {
    const own = this.programs[name] ?? {}
    const client = /-client(\d+)$/.exec(name)?.[1]
    const program = /^command=(\S+)/m.exec(config)?.[1] ?? ''
    const python = program === '' ? undefined : /^#!(.+)/.exec(this.machine.readText(program) ?? '')?.[1]
    const missing = program !== '' && this.machine.stat(python ?? '/none') === null ? { fault: 20 } : {}
    const solr = program.endsWith('/bin/solr-instance') ? { port: 8983 } : {}
    if (client === undefined) return { ...solr, ...missing, ...own }
    // A commit can contain a client that does not start.
    const dies = startedIn !== null && this.machine.lstat(`${startedIn}/dies-${client}`) !== null
    return { port: 8080 + Number(client), ...missing, ...(dies ? { dies: { after: 0, as: 'FATAL' } } : {}), ...own }
  }

  private command(given: readonly string[], options: CommandOptions): Partial<CommandResult> | null {
    const argv = withoutWrapper(given)
    const [program = '', ...args] = argv
    const { machine: host, remote } = this
    const working: Working = {
      host,
      owner: options.user ?? host.self.name,
      step: (what) => this.countEvent(`${program}: ${what}`),
    }
    if (!program.startsWith('/') && ['git', 'crontab'].includes(program) && host.which(program) === null) return null
    if (program === 'git') return remote.git(args, working)
    if (program === 'timeout' && this.wouldBlock(args.at(-1) ?? '')) return { status: 137 }
    if (program.endsWith('/bin/buildout')) return this.build(argv, options, working)
    if (args[0]?.endsWith('/upkeep.py')) return this.upkeep(args.slice(1))
    if (/(^|\/)python[\d.]*$/.test(program)) return python(program, args, working)
    if (program.endsWith('/supervisord')) {
      if (host.lstat(args[1] ?? '') === null) return { status: 2, stderr: 'Error: could not find config file' }
      this.supervisor.startSupervisord(host)
      return {}
    }
    if (program === '/bin/sh' && args.includes('ping'))
      return { status: this.hasBroker && this.isRunning('celery') ? 0 : 69 }
    if (program === 'systemctl') return this.systemctl(args)
    if (program === '/bin/sh' || /\/deploy\/[^/]+$/.test(program)) return this.appCommand(argv, options, working)
    return systemPrograms[program]?.(args, working, options) ?? null
  }

  /** Runs the program of the jobs: records its action in `done`, or fails. */
  private upkeep([action = '', ...words]: readonly string[]): Partial<CommandResult> {
    this.done.push(`${[action, ...words].join(' ')}${this.isRunning('zeoserver') ? '' : ', server stopped'}`)
    return action === this.failingUpkeep ? { status: 1, stderr: `${action} failed: disk full` } : {}
  }

  private build(
    [program = '', ...args]: readonly string[],
    { cwd = '' }: CommandOptions,
    working: Working,
  ): Partial<CommandResult> {
    const current = cwd.replace(/\/releases\/[^/]*$/, '/current')
    if (this.machine.lstat(current)?.kind === 'link' && this.machine.readLink(current) === cwd)
      throw new Error(`the build runs in the current release ${cwd}`)
    const shared = cwd.replace(/\/releases\/[^/]*$/, '/shared')
    return buildout(args, cwd, { ...working, program, shared, failure: this.buildFailure })
  }

  /** Runs a hook or a command of the app: records it in `done`, or fails. */
  private appCommand(argv: readonly string[], { cwd = '' }: CommandOptions, { host, step }: Working) {
    const [program = '', , command = ''] = argv
    const what = program === '/bin/sh' ? command : program.slice(program.lastIndexOf('/') + 1)
    const text = program === '/bin/sh' ? command : (host.readText(program) ?? '')
    step(`${what}: begun`)
    if (text.includes('fail')) return { status: 1, stderr: `${what} said no` }
    this.done.push(`${what} ${/releases\/(\d+)/.exec(cwd)?.[1]}`)
    const mark = /^: > (\S+)$/m.exec(text)?.[1]
    if (mark !== undefined) host.given(`${cwd}/${mark}`, '')
    step(`${what}: done`)
    return {}
  }

  private systemctl(args: readonly string[]): Partial<CommandResult> {
    const { machine, supervisor } = this
    const mark = '/etc/systemd/supervisor-enabled'
    if (args[0] === 'enable') machine.given(mark, '')
    if (args[0] === 'start' && args.includes('supervisor.service')) supervisor.startSupervisord(machine)
    if (args[0] !== 'show') return {}
    const isInstalled = machine.stat('/usr/bin/supervisord') !== null
    const [up, enabled] = [supervisor.isUp(machine), machine.stat(mark) !== null]
    const unit = `Id=supervisor.service\nNames=supervisor.service\nLoadState=${isInstalled ? 'loaded' : 'not-found'}`
    return {
      stdout: `${unit}\nActiveState=${up ? 'active' : 'inactive'}\nUnitFileState=${enabled ? 'enabled' : 'disabled'}\nMainPID=${up ? 1 : 0}\n`,
    }
  }

  get root(): string {
    const { user, prefixed = user === 'jane' } = this.options
    return prefixed ? prefix : ''
  }

  releases(app = 'site'): Release[] {
    const at = `${this.root}/srv/www/${app}`
    return listReleases(this.machine, `${at}/releases`, `${at}/current`)
  }

  /** The current release, if any. */
  currentRelease(app = 'site'): Release | undefined {
    return this.releases(app).find((release) => release.current)
  }

  processes(): Record<string, FakeProcess> {
    return this.supervisor.processes(this.machine)
  }

  /** Returns what a client answers at its port; null if nothing listens there. */
  page(port: number): string | null {
    return this.supervisor.requests({ port, path: '/' }, this.machine)?.body ?? null
  }
}

/** Removes the wrapper that ties a command to the run, and the settings of git. */
function withoutWrapper(argv: readonly string[]): string[] {
  let rest = [...argv]
  if (rest[0] === 'sh') rest = rest.slice(4)
  return rest[0] === 'git' ? rest.filter((word, at) => word !== '-c' && rest[at - 1] !== '-c') : rest
}

async function loadRoles(names: readonly string[]): Promise<Role<SiteNode>[]> {
  return Promise.all(
    names.map(async (name) => {
      const role = await catalogue.roles[name]?.load()
      if (role === undefined) throw new Error(`no role ${name}`)
      return role
    }),
  )
}

/**
 * Makes a host and runs the whole lifecycle on it, with these attributes of the clients and the app over the usual
 * ones.
 */
export async function deployed(
  site: NodeJson = {},
  app: NodeJson = {},
  options: FakeHostOptions = {},
): Promise<FakeHost> {
  const host = new FakeHost(options)
  set(host, site, app)
  await host.run()
  return host
}

/** Sets attributes of the clients and of the app `site` over the usual ones. */
export function set(host: FakeHost, site: NodeJson, app: NodeJson = {}): void {
  const base = siteAttributes(host.remote.url) as { plone_instances: NodeJson; deploy: Record<string, NodeJson> }
  host.attributes = {
    ...base,
    plone_instances: { ...base.plone_instances, ...site },
    deploy: { ...base.deploy, site: { ...base.deploy.site, ...app } },
  }
}

/**
 * Sets up a real site for tests: an account, a git server, and the built program, which deploys the example buildout
 * below a prefix.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type JsonObject, merge } from '../../core/node/merge.ts'
import type { RunReport } from '../../core/report/events.ts'
import { type Page, pageOf } from './deploy_pages.ts'
import { freePort, type Owner, scratch } from './machine.ts'
import { until } from './wait_until.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
/** The path of the program that users run, below the project. */
const programPath = (
  JSON.parse(fs.readFileSync(join(project, 'package.json'), 'utf8')) as { bin: { converge: string } }
).bin.converge
/** Programs come from the system, whatever directories the tester's own PATH lists first. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const networkVariables = /^(PIP_.+|https?_proxy|no_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i

export type App = 'zeoserver' | 'plone_instances' | 'solr'

export interface Release {
  readonly id: string
  readonly commit: string
  readonly complete: boolean
  readonly current: boolean
}

export interface Event {
  readonly event: string
  readonly name?: string
  readonly line?: string
  readonly outcome?: string
  readonly report?: RunReport
}

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly seconds: number
}

export interface RunOptions {
  /** Default: both. */
  readonly roles?: readonly ('zeo-server' | 'zeo-client' | 'solr' | 'frontend' | 'relstorage-pack' | 'celerybeat')[]
  readonly environment?: Readonly<Record<string, string>>
  /** A command that runs the program, such as strace. */
  readonly through?: readonly string[]
  /** Custom JSON that is merged over that of the site. */
  readonly json?: JsonObject
  /** The signal that the program sends to itself and its process group after it writes a line that matches. */
  readonly signal?: { readonly name: NodeJS.Signals; readonly after: RegExp }
}

/** Code that is loaded before the program: a signal sent from outside would not arrive at an exact moment. */
const signaller = `
const after = new RegExp(process.env.SIGNAL_AFTER)
const write = process.stdout.write
process.stdout.write = function (text, ...rest) {
  const written = write.call(this, text, ...rest)
  if (after.test(text)) process.kill(0, process.env.SIGNAL)
  return written
}
`

/** A run that has started. */
export class Run {
  readonly ended: Promise<Ended>
  output = ''
  private readonly began = performance.now()

  constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', (text: string) => {
        this.output += text
      })
    }
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) =>
        resolve({ status, signal, output: this.output, seconds: (performance.now() - this.began) / 1000 }),
      )
    })
  }

  /** Waits until the run writes a line that matches. */
  written(line: RegExp): Promise<void> {
    return until(() => line.test(this.output), `a line like ${line}`)
  }

  /** Sends a signal to the process and its whole group. */
  signal(signal: NodeJS.Signals): void {
    if (this.child.pid !== undefined && this.child.exitCode === null) process.kill(-this.child.pid, signal)
  }
}

export function eventsOf(output: string): Event[] {
  return output.split('\n').flatMap((line, index, all) => {
    // The last line may still be incomplete.
    return line.startsWith('{"event"') && index < all.length - 1 ? [JSON.parse(line) as Event] : []
  })
}

export class DeploySite {
  readonly prefix: string
  readonly repository: string
  readonly home: string
  private readonly program: string
  private readonly file: string
  private daemon: ChildProcess | undefined
  private version = 1
  /** Whether a test has written data into the database that must survive. */
  hasData = false
  /** Changes to the custom JSON that apply to every run until a test removes them. */
  json: JsonObject = {}

  private constructor(
    readonly root: string,
    readonly account: Account,
    private readonly gitPort: number,
  ) {
    this.prefix = `${root}/p`
    this.repository = `${root}/site`
    this.home = `${root}/home`
    this.program = `${root}/${programPath}`
    this.file = `${root}/site.json`
  }

  /**
   * Makes a site: as root, with a temporary account. The end of the test removes the account and ends its processes.
   */
  static async make(t: Owner): Promise<DeploySite> {
    const root = scratch(t)
    const site = new DeploySite(root, temporaryAccount(t), await freePort())
    copyProgram(root)
    fs.cpSync(join(project, 'fixtures', 'example-buildout'), site.repository, { recursive: true })
    fs.writeFileSync(`${root}/signaller.cjs`, signaller)
    for (const directory of [site.home, site.repository]) {
      fs.mkdirSync(directory, { recursive: true })
      execFileSync('chown', ['-R', `${site.account.uid}:${site.account.gid}`, directory])
    }
    // The account that can write into the root creates the prefix in it.
    fs.chownSync(root, site.account.uid, site.account.gid)
    const jobs = site.crontab()
    t.teardown(() => site.end(jobs))
    site.git('init', '-q', '-b', 'main')
    site.git('add', '.')
    site.git('commit', '-q', '-m', 'version 1')
    await site.serveGit(true)
    return site
  }

  // --- repository

  git(...args: readonly string[]): string {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
    return this.as('git', '-C', this.repository, ...identity, ...args).trim()
  }

  /** Commits another version of the site with these files (null removes one), and returns the commit. */
  commit(files: Readonly<Record<string, string | null>> = {}): string {
    this.version++
    for (const [name, content] of Object.entries({ VERSION: `${this.version}\n`, ...files })) {
      if (content === null) fs.rmSync(`${this.repository}/${name}`)
      else fs.writeFileSync(`${this.repository}/${name}`, content)
    }
    this.git('add', '-A')
    this.git('commit', '-q', '-m', `version ${this.version}`)
    return this.git('rev-parse', 'HEAD')
  }

  /** The version of the last commit, as pages display it. */
  get latest(): string {
    return `${this.version}`
  }

  read(name: string): string {
    return fs.readFileSync(`${this.repository}/${name}`, 'utf8')
  }

  /** Starts or stops the git server. */
  async serveGit(on: boolean): Promise<void> {
    const isUp = () => spawnSync('git', ['ls-remote', '--exit-code', this.url], { stdio: 'ignore' }).status === 0
    if (on) {
      const where = ['--listen=127.0.0.1', `--port=${this.gitPort}`, `--base-path=${this.root}`]
      this.daemon = this.spawn(['git', 'daemon', '--export-all', '--reuseaddr', ...where], { stdio: 'ignore' })
    } else if (this.daemon?.pid !== undefined) process.kill(-this.daemon.pid, 'SIGKILL')
    await until(() => isUp() === on, `the git server is ${on ? 'up' : 'down'}`)
  }

  get url(): string {
    return `git://127.0.0.1:${this.gitPort}/site`
  }

  // --- program

  start(args: readonly string[], options: RunOptions = {}): Run {
    const { roles = ['zeo-server', 'zeo-client'], through = [], environment = {}, signal } = options
    const scm = { scm_type: 'git', repository: this.url, revision: 'main' }
    const own = {
      plone_instances: { instance_count: 2, zeo: { address: '127.0.0.1:8001' } },
      plone_zeoserver: { enable_backup: true },
      deploy: { zeoserver: { scm }, plone_instances: { scm }, solr: { scm } },
    }
    fs.writeFileSync(this.file, JSON.stringify(merge(merge(own, this.json), options.json ?? {})))
    const where = ['--role', roles.join(','), '--json', this.file, '--prefix', this.prefix, '--config-dir', this.home]
    const node = [process.execPath, ...(signal === undefined ? [] : ['--require', `${this.root}/signaller.cjs`])]
    const variables = signal === undefined ? {} : { SIGNAL: signal.name, SIGNAL_AFTER: signal.after.source }
    // Without this, tap loads itself into every Node process and writes into the project as this account.
    const command = ['env', '-u', 'NODE_OPTIONS', ...through, ...node, this.program, ...args, ...where]
    return new Run(this.spawn(command, { stdio: ['ignore', 'pipe', 'pipe'] }, { ...environment, ...variables }))
  }

  converge(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.start(args, options).ended
  }

  /** Runs converge, and fails the test unless the run succeeds. */
  async done(t: Test, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const ended = await this.converge(args, options)
    t.equal(ended.status, 0, `converge ${args.join(' ')} succeeds`)
    if (ended.status !== 0) t.comment(ended.output)
    return ended
  }

  /** Returns the output of `status` or `releases`. */
  async inspect<T>(command: string): Promise<T> {
    const { output } = await this.converge([command, '--json-output'])
    return JSON.parse(output) as T
  }

  async releases(app: App = 'plone_instances'): Promise<readonly Release[]> {
    const { apps } = await this.inspect<{ apps: { name: string; releases: Release[] }[] }>('releases')
    return apps.find(({ name }) => name === app)?.releases ?? []
  }

  /** The exit status of `status`, and the services that are up. */
  async status(): Promise<{ readonly status: number | null; readonly up: readonly string[] }> {
    const { status, output } = await this.converge(['status', '--json-output'])
    const { apps } = JSON.parse(output) as { apps: { services: { name: string; up: boolean }[] }[] }
    return { status, up: apps.flatMap(({ services }) => services).flatMap(({ name, up }) => (up ? [name] : [])) }
  }

  // --- files

  /** The state directory of the engine. */
  get state(): string {
    return `${this.prefix}/var/lib/converge`
  }

  directory(app: App = 'plone_instances'): string {
    return `${this.prefix}/srv/www/${app}`
  }

  /** The id of the current release, read from the link. */
  currentPath(app: App = 'plone_instances'): string | null {
    const link = `${this.directory(app)}/current`
    return fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()
      ? (fs.readlinkSync(link).split('/').at(-1) ?? null)
      : null
  }

  isComplete(id: string, app: App = 'plone_instances'): boolean {
    return fs.existsSync(`${this.directory(app)}/releases/${id}/.converge/complete`)
  }

  pages(count = 2): Promise<(Page | null)[]> {
    return Promise.all(Array.from({ length: count }, (_, index) => pageOf(index + 1)))
  }

  /** Lists entries of the releases directory that are not complete releases. */
  unfinished(app: App = 'plone_instances'): string[] {
    return fs
      .readdirSync(`${this.directory(app)}/releases`)
      .filter((name) => name !== '.history' && !this.isComplete(name, app))
  }

  /** Lists every path outside the engine's own state, with the metadata that a write would change. */
  files(): string[] {
    const directories = [this.prefix, this.home, this.repository].filter((directory) => fs.existsSync(directory))
    const listing = this.as('find', ...directories, '-path', this.state, '-prune', '-o', '-printf', '%p %i %s %C@\\n')
    return listing.split('\n').sort()
  }

  /** Lists the same once all writes have ended: clients log a request after they answer it. */
  async settledFiles(): Promise<string[]> {
    for (let before = this.files(); ; ) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      const after = this.files()
      if (after.join() === before.join()) return after
      before = after
    }
  }

  /** The account's crontab; empty if it has none, or if cron is not installed. */
  crontab(): string {
    return spawnSync('crontab', ['-l'], { ...this.identity(), encoding: 'utf8' }).stdout ?? ''
  }

  setCrontab(text: string): void {
    execFileSync('crontab', [text === '' ? '-r' : '-'], { ...this.identity(), input: text })
  }

  /** Returns the pids of the site's processes, or of those whose command contains the text. */
  processes(text = ''): number[] {
    return fs.readdirSync('/proc').flatMap((pid) => {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
      try {
        const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return command.includes(`${this.prefix}/`) && command.includes(text) ? [Number(pid)] : []
      } catch (error) {
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
        throw error
      }
    })
  }

  /** Runs a command as the account and returns its output. */
  as(...command: readonly [string, ...string[]]): string {
    const [program, ...args] = command
    return execFileSync(program, args, { ...this.identity(), encoding: 'utf8', maxBuffer: 1 << 28 })
  }

  private spawn(
    command: readonly string[],
    options: object,
    environment: Readonly<Record<string, string>> = {},
  ): ChildProcess {
    const [program = '', ...args] = command
    const { env, ...identity } = this.identity()
    return spawn(program, args, { ...identity, env: { ...env, ...environment }, detached: true, ...options })
  }

  private identity() {
    const { name, uid, gid } = this.account
    const passed = Object.entries(process.env).filter(([key]) => networkVariables.test(key))
    const env = {
      ...Object.fromEntries(passed),
      PATH: path,
      HOME: this.home,
      USER: name,
      LOGNAME: name,
      LANG: 'C.UTF-8',
    }
    return { cwd: this.root, env, ...(process.getuid?.() === 0 ? { uid, gid } : {}) }
  }

  private async end(jobs: string): Promise<void> {
    if (this.crontab() !== jobs) this.setCrontab(jobs)
    if (this.daemon?.exitCode === null) await this.serveGit(false)
    // Repeats the signal: a supervising process restarts its programs for as long as it runs.
    const hasEnded = () => {
      const pids = process.getuid?.() === 0 ? ownedBy(this.account.uid) : this.processes()
      for (const pid of pids) kill(pid)
      return pids.length === 0
    }
    await until(hasEnded, 'nothing of the site runs any more')
  }
}

/** Returns the pids of all processes of an account. */
function ownedBy(uid: number): number[] {
  return fs.readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    return fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid ? [Number(pid)] : []
  })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // The process has ended since it was listed.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Copies the program, since a build may replace it during a test.
 * @returns the path of the copy
 */
export function copyProgram(into: string): string {
  // Includes the compiler, which hooks in TypeScript need if Node cannot run them.
  for (const path of [dirname(programPath), 'node_modules/esbuild', 'node_modules/@esbuild'])
    fs.cpSync(join(project, path), join(into, path), { recursive: true, dereference: true })
  return join(into, programPath)
}

interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

function temporaryAccount(t: Owner): Account {
  const id = (option: string, name: string) => execFileSync('id', [option, name], { encoding: 'utf8' }).trim()
  const isRoot = process.getuid?.() === 0
  const name = isRoot ? `cvtest-${process.pid}` : id('-un', `${process.getuid?.()}`)
  if (isRoot) {
    // A uid that no account of a test host has: this test ends all processes of the uid, and sees those of the hosts.
    const uid = `${61_000 + (process.pid % 4000)}`
    execFileSync('useradd', ['--uid', uid, '--no-create-home', '--shell', '/bin/sh', name])
    t.teardown(() => void execFileSync('userdel', [name]))
  }
  return { name, uid: Number(id('-u', name)), gid: Number(id('-g', name)) }
}

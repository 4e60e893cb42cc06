/**
 * Sets up an app behind its own nginx below a prefix: a repository, runs of the built-in roles, and continuous
 * requests.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import type { RunFacts } from '../../../core/cli/catalogue.ts'
import { compile } from '../../../core/compile/compile.ts'
import type { Inspection } from '../../../core/compile/inspection.ts'
import type { Role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { gatherFacts } from '../../../core/node/facts.ts'
import type { JsonObject } from '../../../core/node/merge.ts'
import { buildNode } from '../../../core/node/node.ts'
import { objectLayer } from '../../../core/node/parse_layer.ts'
import type { RunReport } from '../../../core/report/events.ts'
import { catalogue } from '../../../recipes/catalogue.ts'
import { recipeNode, type SiteNode } from '../../../recipes/node.ts'
import { listReleases, type Release } from '../../../resources/releases/releases.ts'
import { Supervisor } from '../../../resources/supervisor/client.ts'
import { failureOf } from '../../support/contract.ts'
import { freePort, type Owner, scratch } from '../../support/machine.ts'
import { type Answer, type AskOptions, ask } from './visitor_request.ts'

const fixtures = fileURLToPath(new URL('../../../fixtures/', import.meta.url))
const nodeFixture = 'example-node-app'
/** The account that Debian uses for web servers. */
const web = { user: 'www-data', group: 'www-data', home: '/var/www', shell: '/usr/sbin/nologin' }

/** Without this, tap would load itself into the server. */
const serve = `#!/bin/sh\nexec /usr/bin/env -u NODE_OPTIONS ${process.execPath} server.js "$@"\n`

/** Attributes of the node server in the fixtures, whose program is in the release. */
export const nodeSettings = {
  port_app: {
    command: 'bin/serve --port %{port}',
    build_command: 'test -s VERSION && cp VERSION built.txt && chmod +x bin/serve',
    health: { path: '/healthz', status: 200, deadline_seconds: 20 },
  },
}

export interface WebRun {
  readonly report: RunReport
  readonly progress: readonly string[]
  readonly notes: readonly string[]
}

export interface RunOptions {
  /** Custom JSON that is merged over the app's own attributes. */
  readonly json?: JsonObject
  readonly mode?: 'run' | 'plan'
  readonly options?: Readonly<Record<string, string | boolean>>
  /** A pattern: the run ends as if killed when it prints a matching line. */
  readonly endsAt?: string
}

export class WebApp {
  readonly prefix: string
  readonly repository: string
  readonly directory: string
  /** For checks only; each run has its own, since a host object caches answers of a repository for a whole run. */
  readonly host: LocalHost
  private readonly state: string
  private runs = 0

  private constructor(
    readonly role: string,
    readonly key: string,
    readonly httpPort: number,
    readonly ports: readonly number[],
    readonly attributes: JsonObject,
    root: string,
    prefix: string,
  ) {
    this.prefix = join(root, prefix)
    this.repository = join(root, 'repository')
    this.directory = `${this.prefix}/srv/www/app`
    this.state = join(root, 'state')
    this.host = new LocalHost(this.state)
  }

  /**
   * @param own attributes of the role, in addition to ports and name
   * @param prefix name of the directory; with a blank in it, every file that the role writes must quote it
   */
  static async make(t: Owner, role: string, own: JsonObject, prefix = 'prefix'): Promise<WebApp> {
    const key = role.replace('-', '_')
    const [http, ...ports] = [await freePort(), await freePort(), await freePort()]
    const app = new WebApp(role, key, http, ports, own, scratch(t), prefix)
    fs.mkdirSync(app.prefix)
    fs.mkdirSync(app.repository)
    app.git('init', '-q', '-b', 'main')
    t.teardown(() => app.endSupervisord())
    return app
  }

  git(...args: string[]): string {
    const identity = ['-c', 'user.name=Tester', '-c', 'user.email=tester@example.com', '-c', 'safe.directory=*']
    return execFileSync('git', ['-C', this.repository, ...identity, ...args], { encoding: 'utf8' }).trim()
  }

  /** Copies a fixture, writes files, and commits both. */
  commit(files: Readonly<Record<string, string | Buffer>>, fixture?: string): void {
    if (fixture !== undefined) fs.cpSync(join(fixtures, fixture), this.repository, { recursive: true })
    if (fixture === nodeFixture) files = { ...files, 'bin/serve': serve }
    for (const [path, content] of Object.entries(files)) {
      fs.mkdirSync(join(this.repository, path, '..'), { recursive: true })
      fs.writeFileSync(join(this.repository, path), content)
      if (path.startsWith('deploy/')) fs.chmodSync(join(this.repository, path), 0o755)
    }
    this.git('add', '--all')
    this.git('commit', '-q', '--allow-empty', '-m', 'change')
    if (process.getuid?.() === 0) execFileSync('chown', ['-R', `${web.user}:`, this.repository])
  }

  async run(
    events: readonly string[],
    { json = {}, mode = 'run', options = {}, endsAt }: RunOptions = {},
  ): Promise<WebRun> {
    const [role, node] = [await this.loadRole(), this.node(events, json, options)]
    const plan = compile([role], events, node)
    const local = new LocalHost(this.state)
    const host = mode === 'plan' ? new VirtualHost({ base: local }) : local
    const progress: string[] = []
    const recordProgress = (_: string, line: string) => {
      progress.push(line)
      if (endsAt !== undefined && line.includes(endsAt)) throw new Error(`ended at: ${line}`)
    }
    const notes: string[] = []
    const handlers = [{ progress: recordProgress, note: (message: string) => void notes.push(message) }]
    const report = await converge(plan, host, { id: node.run.id, mode, secrets: new Secrets(), handlers })
    return { report, progress, notes }
  }

  /** Returns what `status` and `releases` display. */
  async inspect(): Promise<Inspection> {
    // A new object, since a host object caches answers that may have changed.
    const host = new LocalHost(this.state)
    const shown = await (await this.loadRole()).inspect?.(this.node([], {}, {}), host)
    if (shown === undefined) throw new Error(`${this.role} shows nothing`)
    return shown
  }

  /** Returns the requirements that `doctor` reports as missing. */
  async missingRequirements(): Promise<string[]> {
    const checks = (await this.loadRole()).checks?.(this.node([], {}, {}), this.host, [this.role]) ?? []
    const found = await Promise.all(checks.map(async ({ what, run }) => [what, (await run())?.status] as const))
    return found.flatMap(([what, status]) => (status === 'missing' ? [what] : []))
  }

  private async loadRole(): Promise<Role<SiteNode>> {
    const role = await catalogue.roles[this.role]?.load()
    if (role === undefined) throw new Error(`no role ${this.role}`)
    return role
  }

  private node(events: readonly string[], json: JsonObject, options: RunFacts['options']): SiteNode {
    const own = {
      converge: { prefix: this.prefix },
      deploy: { app: { ...web, scm: { repository: this.repository } } },
      [this.key]: {
        app_name: 'app',
        http_port: this.httpPort,
        ...(this.key === 'php_app' ? {} : { ports: this.ports, stop_deadline_seconds: 10 }),
      },
    }
    const layers = [own, this.attributes, json].map((one, index) => objectLayer(one, `${index}.json`, 'deployment'))
    const built = buildNode({ layers, facts: gatherFacts(), schemas: attributeSchemas, foreignKeys })
    return recipeNode(built, { id: `run ${this.runs++}`, events, by: 'tester', options })
  }

  /** Runs events, and fails the test unless the run succeeds. */
  async done(t: Test, events: readonly string[], options?: RunOptions): Promise<WebRun> {
    const run = await this.run(events, options)
    t.strictSame(failureOf(run.report), undefined, `${events.join(', ')} succeeds`)
    return run
  }

  /** Runs events, and checks that the run fails with such a text in its output. */
  async fails(t: Test, events: readonly string[], message: RegExp, options?: RunOptions): Promise<void> {
    const failure = failureOf((await this.run(events, options)).report) as Record<string, unknown> | undefined
    t.match([failure?.message, failure?.hint, failure?.output].filter(Boolean).join('\n'), message)
  }

  /** Requests a page as a visitor. */
  page(path = '/'): Promise<{ readonly status: number; readonly body: string }> {
    return this.host.request({ port: this.httpPort, path })
  }

  /** Requests a page with more options, or by TLS. */
  ask(path: string, { port = this.httpPort, ...options }: AskOptions = {}): Promise<Answer> {
    return ask(port, path, options)
  }

  releases(link = 'current'): Release[] {
    return listReleases(this.host, `${this.directory}/releases`, `${this.directory}/${link}`)
  }

  /** Returns the running programs of supervisord. */
  async runningPrograms(): Promise<string[]> {
    const processes = await new Supervisor(this.host, `${this.prefix}/var/run/supervisor.sock`).fetchAllProcessInfo()
    return processes.flatMap(({ name, state }) => (state === 'RUNNING' ? [name] : [])).sort()
  }

  /** Returns the process id of a program. */
  async pid(name: string): Promise<number> {
    const processes = await new Supervisor(this.host, `${this.prefix}/var/run/supervisor.sock`).fetchAllProcessInfo()
    return processes.find((one) => one.name === name)?.pid ?? 0
  }

  /** Ends supervisord with all its programs, as a shutdown does. */
  async endSupervisord(): Promise<void> {
    const socket = `${this.prefix}/var/run/supervisor.sock`
    if (!fs.existsSync(socket)) return
    const supervisor = new Supervisor(this.host, socket)
    await supervisor.shutdown()
    for (let tries = 0; tries < 300 && (await supervisor.getState()) !== null; tries++)
      await new Promise((resolve) => setTimeout(resolve, 100))
  }

  /** Starts supervisord again, as a boot does. */
  startSupervisord(): void {
    const program = `${this.prefix}/opt/supervisor/bin/supervisord`
    execFileSync(program, ['-c', `${this.prefix}/etc/supervisor/supervisord.conf`], { stdio: 'ignore' })
  }

  visitors(t: Test, path = '/', connections = 6): Visitors {
    const visitors = new Visitors(this.httpPort, path, connections)
    t.teardown(() => visitors.stop())
    return visitors
  }
}

export type Step = readonly [name: string, step: (t: Test, app: WebApp) => Promise<void>]

/** Runs the steps in order; after a failed one, the rest is skipped, since each step depends on those before. */
export async function inOrder(t: Test, app: WebApp, steps: readonly Step[]): Promise<void> {
  for (const [name, step] of steps) {
    await t.test(name, async (t) => step(t, app))
    if (!t.passing()) return t.comment('each step builds on those before: the rest is left out')
  }
}

/**
 * Sends requests as visitors do, the next one as soon as there is an answer: half of the visitors on a kept connection,
 * half on new ones.
 */
export class Visitors {
  /** The number of times each answer was given, by its first words. */
  readonly bodies = new Map<string, number>()
  readonly failed: string[] = []
  /** Requests sent again because the server closed a kept connection, as every browser does (RFC 9112, 9.3.1). */
  repeatedRequests = 0
  private isRunning = true
  private readonly connectionsEnd: Promise<unknown>

  constructor(
    private readonly port: number,
    private readonly path: string,
    connections: number,
  ) {
    this.connectionsEnd = Promise.all(Array.from({ length: connections }, (_, index) => this.visit(index % 2 === 0)))
  }

  get count(): number {
    return [...this.bodies.values()].reduce((sum, one) => sum + one, 0)
  }

  private async visit(keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    while (this.isRunning) {
      try {
        const { status, body } = await this.ask(agent)
        const answer = body.trim().split(/\s/)[0] ?? ''
        if (status === 200) this.bodies.set(answer, (this.bodies.get(answer) ?? 0) + 1)
        else this.failed.push(`${status} ${body}`)
      } catch (error) {
        this.failed.push(String(error))
      }
    }
    agent.destroy()
  }

  private ask(agent: Agent): Promise<Pick<Answer, 'status' | 'body'>> {
    return new Promise((resolve, reject) => {
      const request = get({ port: this.port, path: this.path, agent, timeout: 20_000 }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        response.once('error', reject)
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
      })
      request.once('timeout', () => request.destroy(new Error('no answer')))
      request.once('error', (error: NodeJS.ErrnoException) => {
        if (!request.reusedSocket || error.code !== 'ECONNRESET') return reject(error)
        this.repeatedRequests++
        this.ask(agent).then(resolve, reject)
      })
    })
  }

  async stop(): Promise<void> {
    this.isRunning = false
    await this.connectionsEnd
  }

  /** Stops the requests, and checks that none failed. */
  async assertNoFailure(t: Test): Promise<void> {
    await this.stop()
    t.strictSame(
      this.failed,
      [],
      `none of ${this.count + this.failed.length} requests failed, ${this.repeatedRequests} sent again`,
    )
    t.ok(this.count > 20, `${this.count} requests`)
  }
}

/** Sets up an app that root deploys below a prefix, with the built program and its own repository. */
import { execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { JsonObject } from '../../../core/node/merge.ts'
import { copyProgram } from '../../support/deploy_site.ts'
import { scratch } from '../../support/machine.ts'
import { until } from '../../support/wait_until.ts'

/** The account of the apps. */
export const web = { user: 'www-data', group: 'www-data', home: '/var/www', shell: '/usr/sbin/nologin' }

export interface BuiltSiteOptions {
  readonly roles: string
  /** The app whose directory is attacked. */
  readonly app: string
  /** Name of the link to the current release; default: `current`. */
  readonly link?: string
  /** Attributes; `scm` is the source of its apps. */
  readonly json: (scm: JsonObject, root: string) => JsonObject
  /** Writes the first version of the app. */
  readonly write: (repository: string) => void
}

export interface Ended {
  readonly status: number | null
  readonly output: string
  readonly milliseconds: number
}

export class BuiltSite {
  readonly root: string
  readonly prefix: string
  readonly directory: string
  private readonly repository: string
  private readonly program: string
  private version = 0

  constructor(
    t: Test,
    private readonly options: BuiltSiteOptions,
  ) {
    this.root = scratch(t)
    this.prefix = join(this.root, 'prefix')
    this.directory = `${this.prefix}/srv/www/${options.app}`
    this.repository = join(this.root, 'repository')
    this.program = copyProgram(join(this.root, 'program'))
    fs.mkdirSync(this.prefix)
    fs.mkdirSync(this.repository)
    options.write(this.repository)
    this.git('init', '-q', '-b', 'main')
    this.commit()
    const scm = { scm_type: 'git', repository: this.repository, revision: 'main' }
    fs.writeFileSync(join(this.root, 'site.json'), JSON.stringify(options.json(scm, this.root)))
    t.teardown(() => this.end())
  }

  private async end(): Promise<void> {
    const file = `${this.prefix}/opt/supervisor/supervisord.pid`
    if (!fs.existsSync(file)) return
    const pid = Number(fs.readFileSync(file, 'utf8'))
    process.kill(pid, 'SIGTERM')
    await until(() => !fs.existsSync(`/proc/${pid}`), 'supervisord has ended')
  }

  private git(...args: readonly string[]): void {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org', '-c', 'safe.directory=*']
    execFileSync('git', ['-C', this.repository, ...identity, ...args])
  }

  /** Writes files, by path in the repository, and commits them with another version. */
  commit(files: Readonly<Record<string, string>> = {}): void {
    this.version++
    for (const [name, content] of Object.entries({ ...files, VERSION: `${this.version}\n` })) {
      fs.mkdirSync(dirname(join(this.repository, name)), { recursive: true })
      fs.writeFileSync(join(this.repository, name), content)
    }
    this.git('add', '-A')
    this.git('commit', '-q', '-m', `version ${this.version}`)
    execFileSync('chown', ['-R', `${web.user}:`, this.repository])
  }

  /** Runs the program, with a time limit of ten minutes. */
  converge(args: readonly string[], through: readonly string[] = []): Promise<Ended> {
    const site = ['--role', this.options.roles, '--json', join(this.root, 'site.json'), '--prefix', this.prefix]
    const words = [...through, process.execPath, this.program, ...args, ...site, '--config-dir', this.root]
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn('timeout', ['-s', 'KILL', '600', ...words], {
      cwd: '/',
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const began = performance.now()
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    return new Promise((resolve) =>
      child.once('close', (status) => resolve({ status, output, milliseconds: performance.now() - began })),
    )
  }

  /** Returns the path of the current release, below the app's directory. */
  get current(): string {
    return `releases/${fs
      .readlinkSync(`${this.directory}/${this.options.link ?? 'current'}`)
      .split('/')
      .at(-1)}`
  }
}

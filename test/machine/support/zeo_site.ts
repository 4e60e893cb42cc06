/**
 * Sets up a ZEO server of the example buildout that root deploys below a prefix, with the built program and its own
 * port.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { JsonObject } from '../../../core/node/merge.ts'
import { copyProgram } from '../../support/deploy_site.ts'
import { offeredEggs } from '../../support/eggs.ts'
import { freePort, scratch } from '../../support/machine.ts'
import { until } from '../../support/wait_until.ts'

const fixture = fileURLToPath(new URL('../../../fixtures/example-buildout', import.meta.url))
const web = { user: 'www-data', group: 'www-data', home: '/var/www', shell: '/usr/sbin/nologin' }

/** Empty if the account has no crontab, or if cron is not installed. */
const crontab = () => spawnSync('crontab', ['-u', web.user, '-l'], { encoding: 'utf8' }).stdout ?? ''

export class ZeoSite {
  readonly role = 'zeo-server'
  readonly prefix: string
  readonly directory: string
  private readonly repository: string
  private readonly file: string
  private readonly program: string

  private constructor(
    readonly root: string,
    /** Port of the ZEO server. */
    readonly port: number,
  ) {
    this.prefix = join(root, 'prefix')
    this.directory = `${this.prefix}/srv/www/zeoserver`
    this.repository = join(root, 'repository')
    this.file = join(root, 'site.json')
    this.program = copyProgram(join(root, 'program'))
  }

  /** @param attributes in addition to those of the app */
  static async make(t: Test, attributes: JsonObject = {}): Promise<ZeoSite> {
    const site = new ZeoSite(scratch(t), await freePort())
    fs.mkdirSync(site.prefix)
    fs.cpSync(fixture, site.repository, { recursive: true })
    const base = `${site.repository}/cfg/base.cfg`
    const { port } = site
    fs.writeFileSync(base, fs.readFileSync(base, 'utf8').replace('127.0.0.1:8001', `127.0.0.1:${port}`))
    site.git('init', '-q', '-b', 'main')
    site.commit('first')
    const scm = { scm_type: 'git', repository: site.repository, revision: 'main' }
    const json = { ...attributes, ...(await offeredEggs(t)), deploy: { zeoserver: { scm, ...web } } }
    fs.writeFileSync(site.file, JSON.stringify(json))
    const jobs = crontab()
    t.teardown(() => site.end(jobs))
    return site
  }

  /** Ends supervisord with its programs, and removes its jobs from cron. */
  private async end(jobs: string): Promise<void> {
    const pid = Number(fs.readFileSync(`${this.prefix}/opt/supervisor/supervisord.pid`, 'utf8'))
    process.kill(pid, 'SIGTERM')
    await until(() => !fs.existsSync(`/proc/${pid}`), 'supervisord has ended')
    for (const job of ['backup', 'pack']) fs.rmSync(`/etc/cron.d/converge-zeoserver-${job}`, { force: true })
    spawnSync('crontab', ['-u', web.user, ...(jobs === '' ? ['-r'] : ['-'])], { input: jobs })
  }

  private git(...args: readonly string[]): void {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org', '-c', 'safe.directory=*']
    execFileSync('git', ['-C', this.repository, ...identity, ...args])
  }

  commit(version: string): void {
    fs.writeFileSync(`${this.repository}/VERSION`, `${version}\n`)
    this.git('add', '-A')
    this.git('commit', '-q', '-m', version)
  }

  /** Runs the program, with a time limit of ten minutes. */
  converge(args: readonly string[], through: readonly string[] = []) {
    const where = ['--role', this.role, '--json', this.file, '--prefix', this.prefix, '--config-dir', this.root]
    const [command = '', ...rest] = [...through, process.execPath, this.program, ...args, ...where]
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(command, rest, { cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 600_000 })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    return new Promise<{ readonly status: number | null; readonly output: string }>((resolve) =>
      child.once('close', (status) => resolve({ status, output })),
    )
  }

  async run(command: string) {
    const { status, output } = await this.converge([command])
    const name = status === null ? 'hung' : status === 0 ? 'succeeded' : status === 1 ? 'failed' : 'refused'
    return { name, output, failure: status === 0 ? undefined : output }
  }

  async served(): Promise<string> {
    return fs.readFileSync(`${this.directory}/current/VERSION`, 'utf8')
  }
}

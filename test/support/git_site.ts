/**
 * Sets up a site in a temporary directory: its own git repository, a deploy by the real engine on the real host, and a
 * git on the PATH that logs its calls.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import type { Test } from 'tap'
import type { z } from 'zod'
import type { Plan } from '../../core/compile/compile.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { Secrets } from '../../core/model/secrets.ts'
import type { RunReport } from '../../core/report/events.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { git_release } from '../../resources/git/git_release.ts'
import type { gitReleaseProps } from '../../resources/git/props.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import { listReleases, type Release } from '../../resources/releases/releases.ts'
import { planOf } from './contract.ts'

export type GitReleaseProps = z.input<typeof gitReleaseProps>

export interface DeployOptions {
  readonly mode?: 'run' | 'plan'
  /** The last step of the deploy; default: all steps. */
  readonly until?: 'checkout' | 'complete'
  readonly keep?: number
  readonly local?: LocalHost
}

export interface Deployed {
  readonly report: RunReport
  readonly releases: readonly Release[]
  /** The id of the current release. */
  readonly currentId: string | undefined
  readonly failure: { readonly message: string; readonly text: string } | undefined
  /** Arguments of each call of git, without the `-c` settings. */
  readonly calls: readonly string[][]
  readonly host: VirtualHost | LocalHost
}

/** Declares a deploy: check out a release, mark it complete, make it current, and remove old ones. */
export function deployPlan(props: GitReleaseProps, options: DeployOptions = {}): Plan {
  return planOf((r) => {
    const release = git_release(r, props)
    if (options.until === 'checkout') return
    release_complete(r, { release: release.path })
    if (options.until === 'complete') return
    symlink(r, { path: props.current, target: release.path })
    release_cleanup(r, { into: props.into, current: props.current, keep: options.keep ?? 5 })
  })
}

export class GitSite {
  readonly root = fs.mkdtempSync(join(tmpdir(), 'converge-git-'))
  readonly repository = `${this.root}/origin`
  readonly into = `${this.root}/site/releases`
  readonly shared = `${this.root}/site/shared`
  readonly current = `${this.root}/site/current`
  private readonly log = `${this.root}/calls`

  constructor(t: Test, branch = 'main') {
    t.teardown(() => fs.rmSync(this.root, { recursive: true, force: true }))
    fs.chmodSync(this.root, 0o755)
    for (const path of [this.into, this.shared, `${this.root}/bin`]) fs.mkdirSync(path, { recursive: true })
    this.recordCalls()
    this.init(this.repository, branch)
  }

  /** Puts a wrapper before the real git on the PATH of this process. */
  private recordCalls(): void {
    const realGit = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8', env: { PATH: realPath } }).trim()
    const script = `#!/bin/sh
printf '%s\\n' "$@" '' >> ${this.log}
if [ -e ${this.root}/kill-at ] && [ "$(grep -c '^$' ${this.log})" = "$(cat ${this.root}/kill-at)" ]; then kill -9 $PPID; fi
exec ${realGit} "$@"
`
    fs.writeFileSync(`${this.root}/bin/git`, script, { mode: 0o755 })
    process.env.PATH = `${this.root}/bin:${realPath}`
  }

  git(directory: string, ...args: readonly string[]): string {
    return this.gitInput(directory, '', ...args)
  }

  gitInput(directory: string, input: string, ...args: readonly string[]): string {
    const identity = [
      '-c',
      'user.name=Tester',
      '-c',
      'user.email=tester@example.com',
      '-c',
      'protocol.file.allow=always',
    ]
    const env = {
      PATH: realPath,
      HOME: this.root,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      LC_ALL: 'C',
    }
    const options = { encoding: 'utf8', env, input, stdio: 'pipe', maxBuffer: 64 * 1024 * 1024 } as const
    return execFileSync('git', ['-C', directory, ...identity, ...args], options).trim()
  }

  init(path: string, branch = 'main'): void {
    fs.mkdirSync(path, { recursive: true })
    this.git(path, 'init', '-q', '-b', branch)
  }

  /**
   * Writes files and commits them.
   * @returns the commit
   */
  commit(files: Readonly<Record<string, string>>, message = 'change', repository = this.repository): string {
    for (const [name, content] of Object.entries(files)) {
      fs.mkdirSync(dirname(`${repository}/${name}`), { recursive: true })
      fs.writeFileSync(`${repository}/${name}`, content)
    }
    this.git(repository, 'add', '--all')
    this.git(repository, 'commit', '-q', '--allow-empty', '-m', message)
    return this.git(repository, 'rev-parse', 'HEAD')
  }

  props(props: Partial<GitReleaseProps> = {}): GitReleaseProps {
    const { into, shared, current, repository } = this
    return { into, shared, current, repository, revision: 'main', ...props }
  }

  /** Deploys one release: checks it out, marks it complete, makes it current, and removes old ones. */
  async deploy(props: Partial<GitReleaseProps> = {}, options: DeployOptions = {}): Promise<Deployed> {
    const plan = deployPlan(this.props(props), options)
    fs.rmSync(this.log, { force: true })
    const local = options.local ?? new LocalHost(`${this.root}/state`)
    const mode = options.mode ?? 'run'
    const host = mode === 'plan' ? new VirtualHost({ base: local }) : local
    const report = await converge(plan, host, { id: 'test', mode, secrets: new Secrets() })
    const failed = report.resources.find((resource) => resource.outcome === 'failed')?.failure
    const text = [failed?.message, failed?.hint, failed?.output].filter(Boolean).join('\n')
    // If a dry run does not know the new release yet, it cannot list the releases either.
    const releases = report.counts.unknown > 0 ? [] : listReleases(host, this.into, this.current)
    return {
      report,
      releases,
      currentId: releases.find((release) => release.current)?.id,
      failure: failed && { message: `${failed.message}`, text },
      calls: this.calls(),
      host,
    }
  }

  /**
   * Deploys in a separate process, which is killed at the n-th call of git.
   * @returns whether the deploy reached that call
   */
  deployKilledAt(call: number, props: Partial<GitReleaseProps> = {}): boolean {
    fs.rmSync(this.log, { force: true })
    fs.writeFileSync(`${this.root}/kill-at`, `${call}`)
    const argv = [this.deployProgram(), `${this.root}/state`, JSON.stringify(this.props(props))]
    const { signal, status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 300_000 })
    fs.rmSync(`${this.root}/kill-at`)
    if (signal !== 'SIGKILL' && status !== 0) throw new Error(`the deploy ended with ${signal ?? status}: ${stderr}`)
    return signal === 'SIGKILL'
  }

  /** Bundles the deploy program, since loading TypeScript takes longer than the deploy. */
  private deployProgram(): string {
    const outfile = `${this.root}/deploy.mjs`
    if (fs.existsSync(outfile)) return outfile
    buildSync({
      entryPoints: [fileURLToPath(new URL('git_deploy.ts', import.meta.url))],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: {
        js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url)",
      },
    })
    return outfile
  }

  /** Returns the arguments of each call of git since the last deploy began, without the `-c` settings. */
  calls(): string[][] {
    const text = fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8') : ''
    const calls = text.split('\n\n').filter((call) => call !== '')
    return calls.map((call) => call.split('\n').filter((word, at, all) => word !== '-c' && all[at - 1] !== '-c'))
  }

  releases(): Release[] {
    return listReleases(new LocalHost(`${this.root}/state`), this.into, this.current)
  }

  /** Lists everything below the site with the metadata that a write would change: inode, change time, size. */
  snapshot(directory = `${this.root}/site`): string[] {
    return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = `${directory}/${entry.name}`
      const { ino, ctimeMs, size } = fs.lstatSync(path)
      return [`${path} ${ino} ${ctimeMs} ${size}`, ...(entry.isDirectory() ? this.snapshot(path) : [])]
    })
  }

  read(path: string): string {
    return fs.readFileSync(path, 'utf8')
  }
}

const realPath = process.env.PATH ?? '/usr/bin:/bin'

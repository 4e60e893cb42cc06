/**
 * Lists the branches, tags and recent commits of a repository, with git of this computer and the credentials of its account. A
 * clone of the commits alone, without files, is stored for each repository.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import pLimit from 'p-limit'
import { ConvergeError } from '../../model/errors.ts'
import { expectedRepository } from '../../model/git_source.ts'
import { mask, Secrets } from '../../model/secrets.ts'

export interface Ref {
  readonly name: string
  readonly commit: string
}

export interface Commit {
  readonly commit: string
  readonly subject: string
  readonly author: string
  /** ISO time. */
  readonly time: string
}

export interface Revisions {
  readonly branches: readonly Ref[]
  readonly tags: readonly Ref[]
  /** Newest first, of all branches. */
  readonly commits: readonly Commit[]
}

export interface RepositoryLimits {
  /** Milliseconds for each command of git. */
  readonly timeoutMs: number
  /** Bytes of a file that git writes. */
  readonly maxFileSize: number
}

const defaultLimits: RepositoryLimits = { timeoutMs: 30_000, maxFileSize: 64 * 1024 * 1024 }
/** Bytes of output that are read of a command. */
const maxOutput = 4 * 1024 * 1024
/** Branches, and tags, that are listed. */
const maxRefs = 500
const maxCommits = 50
/** How long an answer is reused. */
const reuseMs = 20_000

export class RepositoryReader {
  private readonly answers = new Map<string, { readonly time: number; readonly revisions: Promise<Revisions> }>()
  /** Each reading is a process of git, and perhaps a transfer. */
  private readonly limited = pLimit(2)

  /** @param directory for the clones; created with mode 0700 */
  constructor(
    private readonly directory: string,
    private readonly limits = defaultLimits,
  ) {}

  /** @throws REPOSITORY_UNREADABLE with the message of git, without credentials */
  revisions(repository: string): Promise<Revisions> {
    const known = this.answers.get(repository)
    if (known !== undefined && Date.now() - known.time < reuseMs) return known.revisions
    const revisions = this.limited(() => this.read(repository))
    this.answers.set(repository, { time: Date.now(), revisions })
    // The next request tries again.
    revisions.catch(() => this.answers.delete(repository))
    return revisions
  }

  private async read(repository: string): Promise<Revisions> {
    const expected = expectedRepository(repository)
    if (expected !== null) throw unreadable(`expected ${expected}`)
    if (repository.includes(mask))
      throw unreadable('its address contains credentials of the stack, which the console never sees')
    const refs = refsOf(await this.git(['ls-remote', '--heads', '--tags', '--', repository]))
    return { ...refs, commits: await this.commits(repository) }
  }

  private async commits(repository: string): Promise<Commit[]> {
    const clone = `${this.directory}/${createHash('sha256').update(repository).digest('hex')}.git`
    if (!existsSync(clone)) {
      const newClone = `${clone}.new`
      rmSync(newClone, { recursive: true, force: true })
      mkdirSync(this.directory, { recursive: true, mode: 0o700 })
      await this.git(['init', '--quiet', '--bare', '--template=', '--', newClone])
      renameSync(newClone, clone)
    }
    const inClone = ['-c', 'gc.auto=0', '--git-dir', clone]
    // No files: commits are small, and the pages show nothing else.
    const shallow = ['--depth', `${maxCommits}`, '--filter=tree:0', '--no-tags', '--prune', '--quiet']
    try {
      await this.git([...inClone, 'fetch', ...shallow, '--', repository, '+refs/heads/*:refs/heads/*'])
    } catch (error) {
      // An interrupted or too large transfer leaves files that nothing else removes.
      rmSync(clone, { recursive: true, force: true })
      throw error
    }
    const format = '--format=%H%x00%s%x00%an%x00%cI'
    const log = await this.git([...inClone, 'log', '--branches', `--max-count=${maxCommits}`, format, '--'])
    return log
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [commit = '', subject = '', author = '', time = ''] = line.split('\0')
        return { commit, subject: subject.slice(0, 200), author: author.slice(0, 100), time }
      })
  }

  /** Runs git in a process group of its own, so that its helpers end with it at the deadline. */
  private git(words: readonly string[]): Promise<string> {
    const { timeoutMs, maxFileSize } = this.limits
    const script = `ulimit -f ${Math.ceil(maxFileSize / 512)}; exec git "$@"`
    const env = {
      ...process.env,
      GIT_TERMINAL_PROMPT: '0',
      GIT_NO_LAZY_FETCH: '1',
      LC_ALL: 'C.UTF-8',
      GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oConnectTimeout=10',
      // Others, such as ext, start programs.
      GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    }
    return new Promise((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', script, 'git', ...words], {
        detached: true,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [output, errors, reason] = ['', '', '']
      const kill = (newReason: string) => {
        reason ||= newReason
        try {
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
        } catch (error) {
          // It has ended in the meantime.
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
        }
      }
      const timer = setTimeout(() => kill(`no answer within ${timeoutMs / 1000} s`), timeoutMs)
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (output.length > maxOutput) kill('it has too many branches and tags')
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (errors.length < maxOutput) errors += text
      })
      child.once('error', (error) => {
        clearTimeout(timer)
        reject(unreadable(error.message))
      })
      child.once('close', (status, signal) => {
        clearTimeout(timer)
        if (reason === '' && status === 0) return resolve(output)
        const isTooLarge = signal === 'SIGXFSZ' || /file too large|SIGXFSZ|signal 25|died of signal/i.test(errors)
        reject(unreadable(reason || (isTooLarge ? `its commits need more than ${maxFileSize} bytes` : errors)))
      })
    })
  }
}

function refsOf(text: string): Pick<Revisions, 'branches' | 'tags'> {
  const [branches, tags]: [Map<string, string>, Map<string, string>] = [new Map(), new Map()]
  for (const line of text.split('\n')) {
    const [, commit = '', kind, name = ''] = /^([0-9a-f]{40,64})\trefs\/(heads|tags)\/(.+)$/.exec(line) ?? []
    // The commit of an annotated tag follows the tag, as `name^{}`.
    if (kind === 'heads') branches.set(name, commit)
    else if (kind === 'tags') tags.set(name.replace(/\^\{\}$/, ''), commit)
  }
  const list = (refs: ReadonlyMap<string, string>) => [...refs].map(([name, commit]) => ({ name, commit }))
  return { branches: list(branches).slice(0, maxRefs), tags: list(tags).slice(-maxRefs).reverse() }
}

function unreadable(reason: string): ConvergeError {
  const text = new Secrets().maskForeign(
    reason
      .split(/\s*\n\s*/)
      .filter(Boolean)
      .slice(0, 2)
      .join('; ')
      .slice(0, 500),
  )
  return new ConvergeError(`the repository cannot be listed: ${text}`, {
    code: 'REPOSITORY_UNREADABLE',
    hint: 'enter the branch, tag or commit; the hosts read the repository with their own credentials',
    usage: true,
  })
}

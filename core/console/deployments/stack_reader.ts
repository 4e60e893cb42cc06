/** Reads a stack with `converge stack`, in a process of its own: the console never sees the secrets of a stack file. */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import pLimit from 'p-limit'
import { ConvergeError } from '../../model/errors.ts'
import type { StackSource } from './runner.ts'

export interface StackLayer {
  readonly name: string
  readonly title: string
  readonly roles: readonly string[]
  readonly hosts: readonly string[]
}

export interface StackHostView {
  readonly name: string
  readonly address: string
  readonly layers: readonly string[]
  readonly roles: readonly string[]
  readonly status: string
}

export interface StackView {
  readonly stack: string
  readonly environment: string | null
  readonly layers: readonly StackLayer[]
  readonly hosts: readonly StackHostView[]
  readonly apps: readonly { readonly name: string; readonly repository?: string | null }[]
}

type StackPlace = Pick<StackSource, 'directory' | 'options'>

/** Seconds for one command. */
const timeout = 120
const maxOutput = 256 * 1024 * 1024
/** How long an answer is used again. A stack file may read other files, so its modification time does not reveal every change. */
const freshMs = 10_000

export class StackReader {
  private readonly views = new Map<string, { readonly time: number; readonly view: Promise<StackView> }>()

  /** @param program words that start converge */
  constructor(private readonly program: readonly string[]) {}

  /** Each reading is a process that compiles a stack. */
  private readonly limited = pLimit(2)

  /** Returns how the stack of a file is reached. @throws STACK_UNREADABLE with the message of the command */
  async sourceOf(file: string): Promise<StackSource> {
    const source = { directory: dirname(file), options: ['--stack', file] }
    const { stack } = await this.show(source)
    return { ...source, name: stack }
  }

  /** Returns layers, hosts and apps. @throws STACK_UNREADABLE with the message of the command */
  show(source: StackPlace): Promise<StackView> {
    const key = JSON.stringify([source.directory, source.options])
    const known = this.views.get(key)
    if (known !== undefined && Date.now() - known.time < freshMs) return known.view
    const view = this.read(source, ['stack', 'show', ...source.options, '--json-output']) as Promise<StackView>
    this.views.set(key, { time: Date.now(), view })
    // The next request tries again.
    view.catch(() => this.views.delete(key))
    return view
  }

  /** Returns the recorded deployments of the stack, also those from a command line, newest first. */
  records(source: StackPlace, limit: number): Promise<unknown> {
    const words = ['stack', 'deployments', ...source.options, '--limit', String(limit), '--json-output']
    return this.read(source, words)
  }

  private read(source: StackPlace, words: readonly string[]): Promise<unknown> {
    const [program = '', ...start] = this.program
    const options = {
      cwd: source.directory,
      timeout: timeout * 1000,
      maxBuffer: maxOutput,
      killSignal: 'SIGKILL',
    } as const
    const run = (resolve: (value: unknown) => void, reject: (error: unknown) => void) =>
      execFile(program, [...start, ...words], options, (error, stdout, stderr) => {
        if (error === null) return resolve(JSON.parse(stdout))
        const reason = error.killed ? `no answer within ${timeout} s` : stderr.trim() || error.message
        reject(
          new ConvergeError(`the stack cannot be read: ${reason}`, {
            code: 'STACK_UNREADABLE',
            hint: `run converge stack check ${source.options.join(' ')} in ${source.directory}`,
            usage: true,
          }),
        )
      })
    return this.limited(() => new Promise(run))
  }
}

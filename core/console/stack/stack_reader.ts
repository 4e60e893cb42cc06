/** Reads what `converge stack` says about a stack, without a connection to its hosts. */
import { dirname } from 'node:path'
import pLimit from 'p-limit'
import type { Explanation } from '../../node/explain.ts'
import type { StackSource } from '../deployments/runner.ts'
import { type StackCommand, type StackLocation, stackCommand } from './stack_command.ts'

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

/** How long an answer is reused. A stack file may read other files, so its modification time does not reveal every change. */
const reuseMs = 10_000

export class StackReader {
  private readonly views = new Map<string, { readonly time: number; readonly view: Promise<StackView> }>()
  /** Each reading is a process that compiles a stack. */
  private readonly limited = pLimit(2)

  constructor(private readonly command: StackCommand) {}

  /** Returns how the stack of a file is reached. @throws STACK_UNREADABLE with the message of the command */
  async sourceOf(file: string): Promise<StackSource> {
    const source = { directory: dirname(file), options: ['--stack', file] }
    const { stack } = await this.show(source)
    return { ...source, name: stack }
  }

  /** Returns layers, hosts and apps. @throws STACK_UNREADABLE with the message of the command */
  show(source: StackLocation): Promise<StackView> {
    const key = JSON.stringify([source.directory, source.options])
    const known = this.views.get(key)
    if (known !== undefined && Date.now() - known.time < reuseMs) return known.view
    const view = this.read(source, ['show']) as Promise<StackView>
    this.views.set(key, { time: Date.now(), view })
    // The next request tries again.
    view.catch(() => this.views.delete(key))
    return view
  }

  /** Returns the recorded deployments of the stack, also those from a command line, newest first. */
  records(source: StackLocation, limit: number): Promise<unknown> {
    return this.read(source, ['deployments', '--limit', String(limit)])
  }

  /**
   * Returns the attributes of a host with the layers that set each, secrets masked.
   * @param key this attribute and those below it; null: all that are set
   * @throws STACK_UNREADABLE, UNKNOWN_ATTRIBUTE
   */
  async attributes(source: StackLocation, host: string, key: string | null): Promise<readonly Explanation[]> {
    const options = key === null ? ['--origins'] : ['--explain', key]
    const answer = (await this.read(source, ['attributes', host, ...options])) as { attributes: readonly Explanation[] }
    return answer.attributes
  }

  private read(source: StackLocation, words: readonly string[]): Promise<unknown> {
    return this.limited(async () => JSON.parse(await this.command(source, [...words, '--json-output'])))
  }
}

/**
 * Reads the names of stacks.
 * @param program words that start converge
 * @param files absolute paths of stack files
 * @throws STACK_UNREADABLE with what is wrong in a file
 */
export function readStacks(program: readonly string[], files: readonly string[]): Promise<StackSource[]> {
  const reader = new StackReader(stackCommand(program))
  return Promise.all(files.map((file) => reader.sourceOf(file)))
}

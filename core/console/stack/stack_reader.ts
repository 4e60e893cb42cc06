/** Reads the layers, hosts, attributes and records of a stack with `converge stack`, without a connection to its hosts. */
import { dirname } from 'node:path'
import pLimit from 'p-limit'
import * as z from 'zod'
import { ConvergeError } from '../../model/errors.ts'
import type { Explanation } from '../../node/explain.ts'
import {
  type StackCommand,
  type StackLocation,
  type StackSource,
  stackCommand,
  stackUnreadable,
} from './stack_command.ts'

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

/** The values that count as secret in the attributes of a stack. */
export interface SecretMarks {
  /** Key paths of secret attributes; `*` stands for any key or index. */
  readonly secretAttributes: readonly (readonly string[])[]
  /** Names that the stack adds to those of secrets. */
  readonly secretNames: readonly string[]
}

export interface StackView extends Partial<SecretMarks> {
  readonly stack: string
  readonly environment: string | null
  readonly layers: readonly StackLayer[]
  readonly hosts: readonly StackHostView[]
  readonly apps: readonly { readonly name: string; readonly repository?: string | null }[]
}

const withName = z.looseObject({ name: z.string() })
/** Defines the least that each answer contains, because another version of converge may have printed it. */
const answerSchemas = {
  show: z.looseObject({
    stack: z.string(),
    layers: z.array(withName),
    hosts: z.array(withName),
    apps: z.array(withName),
  }),
  deployments: z.array(z.looseObject({})),
  attributes: z.looseObject({ attributes: z.array(z.looseObject({ path: z.string() })) }),
} as const

/** How long an answer is reused. A stack file may read other files, so its modification time does not reveal every change. */
const reuseMs = 10_000

export class StackReader {
  private readonly views = new Map<string, { readonly time: number; readonly view: Promise<StackView> }>()
  /** Each reading is a process that compiles a stack. */
  private readonly limited = pLimit(2)

  constructor(private readonly command: StackCommand) {}

  /**
   * Returns how the console reaches the stack of a file.
   * @throws STACK_UNREADABLE with the message of the command
   */
  async sourceOf(file: string): Promise<StackSource> {
    const source = { directory: dirname(file), options: ['--stack', file] }
    const { stack } = await this.show(source)
    return { ...source, name: stack }
  }

  /**
   * Returns layers, hosts and apps.
   * @throws STACK_UNREADABLE with the message of the command
   */
  show(source: StackLocation): Promise<StackView> {
    const key = JSON.stringify([source.directory, source.options])
    const cached = this.views.get(key)
    if (cached !== undefined && Date.now() - cached.time < reuseMs) return cached.view
    const view = this.read<StackView>(source, 'show')
    this.views.set(key, { time: Date.now(), view })
    // The next request tries again.
    view.catch(() => this.views.delete(key))
    return view
  }

  /** Returns what is secret in the attributes of a stack; null if the stack cannot be read now. */
  async secretMarks(source: StackLocation): Promise<SecretMarks | null> {
    try {
      const { secretAttributes, secretNames } = await this.show(source)
      return secretAttributes && secretNames ? { secretAttributes, secretNames } : null
    } catch (error) {
      if (error instanceof ConvergeError) return null
      throw error
    }
  }

  /** Returns the recorded deployments of the stack, also those from a command line, newest first. */
  records(source: StackLocation, limit: number): Promise<unknown> {
    return this.read(source, 'deployments', ['--limit', String(limit)])
  }

  /**
   * Returns the attributes of a host with the layers that set each, secrets masked.
   * @param key this attribute and those below it; null: all that are set
   * @throws STACK_UNREADABLE, UNKNOWN_ATTRIBUTE
   */
  async attributes(source: StackLocation, host: string, key: string | null): Promise<readonly Explanation[]> {
    const options = key === null ? ['--origins'] : ['--explain', key]
    const answer = await this.read<{ attributes: readonly Explanation[] }>(source, 'attributes', [host, ...options])
    return answer.attributes
  }

  private read<T>(
    source: StackLocation,
    command: keyof typeof answerSchemas,
    words: readonly string[] = [],
  ): Promise<T> {
    return this.limited(async () => {
      const output = await this.command(source, [command, ...words, '--json-output'])
      const value = parseJson(output)
      if (answerSchemas[command].safeParse(value).success) return value as T
      throw stackUnreadable(source, `converge stack ${command} has printed an unexpected answer`)
    })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The caller reports it like any other unexpected answer.
    return undefined
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

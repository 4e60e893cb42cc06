/** Reads the files of ssh_config(5) into sections, each with its condition. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { expandHome } from '../../host/home_path.ts'
import { readInputFile } from '../../host/input_file.ts'
import { asConvergeError, type SourceLocation } from '../../model/errors.ts'
import { configError } from './config_error.ts'
import { expandGlob } from './config_include.ts'
import { splitLine } from './config_words.ts'
import { matchesPatterns } from './patterns.ts'

export interface ConfigLine {
  readonly keyword: string
  readonly values: readonly string[]
  readonly source: SourceLocation
}

/** The values that conditions compare. */
export interface Context {
  /** The host as an argument of ssh(1). */
  readonly original: string
  /** The value that `Host` compares: `original`, and in the second pass the HostName. */
  readonly host: string
  /** HostName, as far as it is known at the condition. */
  readonly hostname: string
  /** User, as far as it is known at the condition. */
  readonly user: string
  readonly localUser: string
  /** Whether this is the second pass, which `Match final` selects. */
  readonly final: boolean
}

/** Lines that apply where a condition holds; an included file applies where its Include does. */
export interface Section {
  readonly when: (context: Context) => boolean
  readonly lines: (ConfigLine | readonly Section[])[]
  /** The criterion that converge does not evaluate: such a section never applies. */
  readonly unsupported: { readonly criterion: string; readonly source: SourceLocation } | null
}

export interface ConfigFiles {
  readonly sections: readonly Section[]
  /** Whether any section has `Match final`, which requires a second pass. */
  readonly hasFinal: boolean
}

/**
 * Reads files, and the files that they include.
 * @param files each with the base directory for relative names of an Include
 * @throws SSH_CONFIG_INVALID with file and line
 */
export function readConfigFiles(files: readonly { file: string; base: string }[], home: string): ConfigFiles {
  const reader = new Reader(home)
  const sections = files.flatMap(({ file, base }) => reader.read(file, base, 0))
  return { sections, hasFinal: reader.hasFinal }
}

class Reader {
  hasFinal = false
  private readonly home: string

  constructor(home: string) {
    this.home = home
  }

  read(file: string, base: string, depth: number): Section[] {
    const sections: Section[] = [{ when: () => true, lines: [], unsupported: null }]
    for (const [index, text] of readLines(file).entries()) {
      const source = { file, line: index + 1 }
      const { keyword, values } = lineAt(text, source) ?? {}
      if (keyword === undefined || values === undefined) continue
      const current = sections.at(-1)
      if (keyword === 'host') sections.push({ when: isHost(values), lines: [], unsupported: null })
      else if (keyword === 'match') sections.push({ ...this.match(values, source), lines: [] })
      else if (keyword === 'include') current?.lines.push(...this.included(values, base, depth, source))
      else current?.lines.push({ keyword, values, source })
    }
    return sections
  }

  private included(values: readonly string[], base: string, depth: number, source: SourceLocation): Section[][] {
    if (depth >= 16) throw configError(source, 'files include each other more than 16 deep')
    return values
      .map((pattern) => {
        if (/^~[^/]/.test(pattern)) throw configError(source, `Include ${pattern}: converge expands ~/ only`)
        return resolve(base, expandHome(pattern, this.home))
      })
      .flatMap((path) => expandGlob(path))
      .map((file) => this.read(file, base, depth + 1))
  }

  private match(values: readonly string[], source: SourceLocation): Pick<Section, 'when' | 'unsupported'> {
    const conditions: Section['when'][] = []
    let unsupported: Section['unsupported'] = null
    for (let index = 0; index < values.length; index++) {
      const [, not, word = ''] = values[index]?.match(/^(!?)(.*)$/s) ?? []
      const criterion = word.toLowerCase()
      const isExpected = not !== '!'
      if (criterion === 'all') {
        const others = values.slice(0, index).filter((value) => !/^!?(final|canonical)$/i.test(value))
        if (others.length > 0 || index < values.length - 1)
          throw configError(source, `'all' cannot be combined with other Match attributes`)
        if (!isExpected) conditions.push(() => false)
      } else if (criterion === 'final' || criterion === 'canonical') {
        this.hasFinal ||= criterion === 'final'
        conditions.push(({ final }) => final === isExpected)
      } else {
        const value = values[++index]
        if (value === undefined) throw configError(source, `Match ${word} has no value`)
        const holds = criteria[criterion]
        if (holds) conditions.push((context) => holds(context, value.split(',')) === isExpected)
        else unsupported ??= { criterion: word, source }
      }
    }
    return { when: (context) => conditions.every((holds) => holds(context)), unsupported }
  }
}

const isHost =
  (patterns: readonly string[]): Section['when'] =>
  ({ host }) =>
    matchesPatterns(patterns, host, { caseSensitive: true })

const criteria: Readonly<Record<string, (context: Context, patterns: readonly string[]) => boolean>> = {
  host: ({ hostname }, patterns) => matchesPatterns(patterns, hostname),
  originalhost: ({ original }, patterns) => matchesPatterns(patterns, original),
  user: ({ user }, patterns) => matchesPatterns(patterns, user, { caseSensitive: true }),
  localuser: ({ localUser }, patterns) => matchesPatterns(patterns, localUser, { caseSensitive: true }),
}

function lineAt(text: string, source: SourceLocation): ReturnType<typeof splitLine> {
  try {
    return splitLine(text)
  } catch (thrown) {
    throw configError(source, (thrown as Error).message)
  }
}

/** Bytes; each line takes a while to parse. */
const maxConfigSize = 4 << 20

function readLines(file: string): string[] {
  try {
    // ssh reads a directory that Include names as an empty file.
    if (statSync(file).isDirectory()) return []
    return readInputFile(file, maxConfigSize).toString('utf8').split('\n')
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw asConvergeError(thrown)
  }
}

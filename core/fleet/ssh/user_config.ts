/** The operator's own ssh_config(5): what is said there about a host, each word with the line it stands on. */
import { readdirSync, readFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { asConvergeError, type SourceLocation } from '../../model/errors.ts'
import { invalid } from './config_error.ts'
import { fits, fitsAny } from './patterns.ts'

export interface Said {
  readonly values: readonly string[]
  readonly source: SourceLocation
}

/** By keyword in lower case: the first thing said counts, but keys (IdentityFile) are all tried. */
export type HostSettings = ReadonlyMap<string, readonly Said[]>

export interface UserConfig {
  readonly home: string
  /** Who runs the program: default for `user`. */
  readonly user: string
  /** Socket of the agent; null: there is none. */
  readonly agent: string | null
  /** Parts of the files that are passed over, and why. */
  readonly warnings: readonly string[]
  /** @param host as it would be given to ssh(1); @param user where the stack names one: for `Match user` */
  settings(host: string, user?: string): HostSettings
}

export interface UserConfigOptions {
  /** Default: that of the account. */
  readonly home?: string
  /** Default: the account. */
  readonly user?: string
  /** Default: SSH_AUTH_SOCK of the environment. */
  readonly agent?: string | null
  /** Default: /etc/ssh/ssh_config. */
  readonly systemFile?: string
}

interface Line {
  readonly keyword: string
  readonly values: readonly string[]
  readonly source: SourceLocation
}

interface Context {
  readonly original: string
  /** As far as it is known by then: HostName and User may come before or after a Match. */
  readonly host: string
  readonly user: string
}

/** Lines that count where a condition holds; an included file counts where its Include does. */
interface Block {
  readonly when: (context: Context) => boolean
  readonly lines: (Line | readonly Block[])[]
  /** Why it never counts; told once something stands in it that would. */
  unheeded?: string | undefined
}

/** What is made use of here, and in `targetOf()`. */
const heeded = new Set(
  (
    'hostname port user identityfile identitiesonly identityagent hostkeyalias userknownhostsfile globalknownhostsfile ' +
    'hashknownhosts connecttimeout proxyjump proxycommand kexalgorithms hostkeyalgorithms ciphers macs compression ' +
    'include'
  ).split(' '),
)

type ParseLine = (text: string) => { keyword: string; values: string[] } | null

/** @throws SSH_CONFIG_INVALID with file and line */
export async function readUserConfig(options: UserConfigOptions = {}): Promise<UserConfig> {
  const { home = homedir(), user = userInfo().username, systemFile = '/etc/ssh/ssh_config' } = options
  const { agent = process.env.SSH_AUTH_SOCK || null } = options
  const warnings: string[] = []
  const reader = new ConfigReader(await lineParser(), home, user, warnings)
  const blocks = [join(home, '.ssh/config'), systemFile].flatMap((file) => reader.read(file, dirname(file), 0))
  return {
    ...{ home, user, agent, warnings },
    settings(host, asUser) {
      const said = new Map<string, Said[]>()
      collect(blocks, { original: host, user: asUser ?? user, fixedUser: asUser !== undefined }, said)
      return said
    },
  }
}

function collect(
  blocks: readonly Block[],
  about: { readonly original: string; readonly user: string; readonly fixedUser: boolean },
  said: Map<string, Said[]>,
): void {
  for (const { when, lines } of blocks) {
    const host = said.get('hostname')?.[0]?.values[0]?.replaceAll('%h', about.original) ?? about.original
    const user = (about.fixedUser ? undefined : said.get('user')?.[0]?.values[0]) ?? about.user
    if (!when({ original: about.original, host, user })) continue
    for (const line of lines) {
      if (!('keyword' in line)) collect(line, about, said)
      else if (!said.has(line.keyword)) said.set(line.keyword, [line])
      else if (line.keyword === 'identityfile') said.get(line.keyword)?.push(line)
    }
  }
}

class ConfigReader {
  private readonly parse: ParseLine
  private readonly home: string
  private readonly user: string
  private readonly warnings: string[]

  constructor(parse: ParseLine, home: string, user: string, warnings: string[]) {
    this.parse = parse
    this.home = home
    this.user = user
    this.warnings = warnings
  }

  /** @param base where relative names of an Include begin */
  read(file: string, base: string, depth: number): Block[] {
    const blocks: Block[] = [{ when: () => true, lines: [] }]
    for (const [index, text] of readLines(file).entries()) {
      const source = { file, line: index + 1 }
      const { keyword, values } = this.parseAt(text, source) ?? {}
      if (keyword === undefined || values === undefined) continue
      const current = blocks.at(-1)
      if (current?.unheeded !== undefined && heeded.has(keyword)) {
        this.warnings.push(current.unheeded)
        current.unheeded = undefined
      }
      if (keyword === 'host') blocks.push({ when: ({ original }) => fitsAny(values, original), lines: [] })
      else if (keyword === 'match') blocks.push({ ...this.condition(values, source), lines: [] })
      else if (keyword === 'include') current?.lines.push(...this.included(values, base, depth, source))
      else current?.lines.push({ keyword, values, source })
    }
    return blocks
  }

  private parseAt(text: string, source: SourceLocation): ReturnType<ParseLine> {
    try {
      const line = this.parse(text)
      if (line && line.values.length === 0) throw new Error(`${line.keyword} has no value`)
      return line
    } catch (thrown) {
      throw invalid(source, (thrown as Error).message)
    }
  }

  private included(values: readonly string[], base: string, depth: number, source: SourceLocation): Block[][] {
    if (depth >= 16) throw invalid(source, 'files include each other more than 16 deep')
    return values
      .flatMap((pattern) => expand(resolve(base, pattern.replace(/^~(?=\/)/, this.home))))
      .map((file) => this.read(file, base, depth + 1))
  }

  private condition(values: readonly string[], source: SourceLocation): Pick<Block, 'when' | 'unheeded'> {
    const conditions: Block['when'][] = []
    for (let index = 0; index < values.length; index++) {
      const [, not, word = ''] = values[index]?.match(/^(!?)(.*)$/) ?? []
      const criterion = word.toLowerCase()
      if (criterion === 'all') continue
      const subject = subjects[criterion]
      if (!subject) {
        const unheeded = `${source.file}:${source.line}: Match ${word} is not looked at: its section does not count`
        return { when: () => false, unheeded }
      }
      const patterns = values[++index]?.split(',')
      if (!patterns) throw invalid(source, `Match ${word} has no value`)
      conditions.push((context) => fitsAny(patterns, subject(context, this.user)) !== (not === '!'))
    }
    return { when: (context) => conditions.every((holds) => holds(context)) }
  }
}

const subjects: Readonly<Record<string, (context: Context, localUser: string) => string>> = {
  host: ({ host }) => host,
  originalhost: ({ original }) => original,
  user: ({ user }) => user,
  localuser: (_context, localUser) => localUser,
}

/** The parser of the ssh-config package, one line at a time: so it is known which one something stands on. */
async function lineParser(): Promise<ParseLine> {
  const { parse } = await import('ssh-config')
  return (text) => {
    const line = [...parse(text.trim())].find((found) => 'param' in found && found.param !== '')
    if (!line || !('param' in line)) return null
    const values = Array.isArray(line.value) ? line.value.map(({ val }) => val) : [line.value]
    return { keyword: line.param.toLowerCase(), values: values.filter((value) => value !== '') }
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw asConvergeError(thrown)
  }
}

/** Files that an absolute path with `*` and `?` in it means, by name. */
function expand(path: string): string[] {
  if (!/[*?]/.test(path)) return [path]
  let found = ['/']
  for (const part of path.split('/').filter((name) => name !== ''))
    found = found.flatMap((directory) => {
      if (!/[*?]/.test(part)) return [join(directory, part)]
      const names = namesIn(directory).filter((name) => fits(part, name) && (part.startsWith('.') || name[0] !== '.'))
      return names.sort().map((name) => join(directory, name))
    })
  return found
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw asConvergeError(thrown)
  }
}

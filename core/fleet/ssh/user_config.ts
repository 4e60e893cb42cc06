/** Reads the operator's ssh_config(5): the settings of a host, each with file and line. */
import { homedir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { describeLocation, type SourceLocation } from '../../model/errors.ts'
import { configError } from './config_error.ts'
import { type ConfigLine, type Context, readConfigFiles, type Section } from './config_file.ts'

export interface Setting {
  readonly values: readonly string[]
  readonly source: SourceLocation
}

/** By keyword in lower case: the first value counts, except that all keys (IdentityFile) are tried. */
export type HostSettings = ReadonlyMap<string, readonly Setting[]>

export interface UserConfig {
  readonly home: string
  /** The account that runs the program: default for `user`. */
  readonly user: string
  /** Socket of the agent; null: none. */
  readonly agent: string | null
  /** Settings of the hosts so far that converge ignores. */
  readonly warnings: ReadonlySet<string>
  /**
   * Returns the settings of a host.
   * @param host as an argument of ssh(1)
   * @param user where the stack names one: for `Match user`
   */
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

/** Keywords with one value that converge follows. */
const single =
  'hostname port user identityfile identitiesonly identityagent hostkeyalias hashknownhosts connecttimeout proxyjump ' +
  'kexalgorithms hostkeyalgorithms ciphers macs compression'
const lists = 'userknownhostsfile globalknownhostsfile proxycommand'

/** Keywords that change whether and how ssh connects, and the values with which they change nothing. */
const notFollowed: Readonly<Record<string, readonly string[]>> = {
  canonicalizehostname: ['no', 'none', 'false'],
  addressfamily: ['any'],
  bindaddress: [],
  bindinterface: [],
  knownhostscommand: ['none'],
  revokedhostkeys: ['none'],
  pubkeyauthentication: ['yes', 'true', 'unbound', 'host-bound'],
  nohostauthenticationforlocalhost: ['no', 'false'],
}

const singleKeywords = new Set(single.split(' '))
const followed = new Set([...singleKeywords, ...lists.split(' ')])
const concernsConnection = (line: ConfigLine) => followed.has(line.keyword) || line.keyword in notFollowed

/** @throws SSH_CONFIG_INVALID with file and line */
export async function readUserConfig(options: UserConfigOptions = {}): Promise<UserConfig> {
  const { home = homedir(), user = userInfo().username, systemFile = '/etc/ssh/ssh_config' } = options
  const { agent = process.env.SSH_AUTH_SOCK || null } = options
  const files = [join(home, '.ssh/config'), systemFile].map((file) => ({ file, base: dirname(file) }))
  const { sections, hasFinal } = readConfigFiles(files, home)
  refuseSuperfluousValues(sections)
  const warnings = new Set<string>()
  return {
    home,
    user,
    agent,
    warnings,
    settings(host, givenUser) {
      const collector = new Collector(host, user, givenUser, warnings)
      collector.collect(sections, { host, final: false })
      if (hasFinal) collector.collect(sections, { host: collector.hostname().toLowerCase(), final: true })
      return collector.settings
    },
  }
}

/** Rejects superfluous values in any section, as ssh does. */
function refuseSuperfluousValues(sections: readonly Section[]): void {
  for (const { lines } of sections)
    for (const line of lines) {
      if (!('keyword' in line)) refuseSuperfluousValues(line)
      else if (singleKeywords.has(line.keyword) && line.values.length > 1)
        throw configError(line.source, `${line.keyword} has more than one value: ${line.values.join(' ')}`)
    }
}

/** Collects the settings of one host from the sections. */
class Collector {
  readonly settings = new Map<string, Setting[]>()
  private readonly original: string
  private readonly localUser: string
  private readonly givenUser: string | undefined
  private readonly warnings: Set<string>

  constructor(original: string, localUser: string, givenUser: string | undefined, warnings: Set<string>) {
    this.original = original
    this.localUser = localUser
    this.givenUser = givenUser
    this.warnings = warnings
  }

  hostname(): string {
    const configured = this.settings.get('hostname')?.[0]?.values[0]
    return configured?.replace(/%([%h])/g, (_, token) => (token === 'h' ? this.original : '%')) ?? this.original
  }

  collect(sections: readonly Section[], pass: Pick<Context, 'host' | 'final'>): void {
    for (const { when, lines, unsupported } of sections) {
      const user = this.givenUser ?? this.settings.get('user')?.[0]?.values[0] ?? this.localUser
      const { original, localUser } = this
      if (!when({ original, localUser, hostname: this.hostname(), user, ...pass })) continue
      if (unsupported) this.warnOfSection(unsupported, lines)
      else for (const line of lines) this.addLine(line, pass)
    }
  }

  private addLine(line: Section['lines'][number], pass: Pick<Context, 'host' | 'final'>): void {
    if (!('keyword' in line)) return this.collect(line, pass)
    const { keyword, values, source } = line
    // The second pass matches the HostName of the first.
    if (keyword === 'hostname' && pass.final) return
    // For ssh, `none` leaves the setting to later lines.
    if (keyword === 'connecttimeout' && values[0] === 'none') return
    const before = this.settings.get(keyword) ?? []
    if (keyword !== 'identityfile' && (before.length > 0 || this.hasOtherProxy(keyword))) return
    if (before.some((setting) => setting.values[0] === values[0])) return
    this.settings.set(keyword, [...before, { values, source }])
    const harmless = notFollowed[keyword]
    if (harmless && !harmless.includes(values[0]?.toLowerCase() ?? ''))
      this.warnings.add(`${describeLocation(source)}: ${keyword} ${values.join(' ')} is not followed`)
  }

  /** Decides whether the other proxy keyword came first; `ProxyJump none` allows a later ProxyCommand. */
  private hasOtherProxy(keyword: string): boolean {
    if (keyword === 'proxyjump') return this.settings.has('proxycommand')
    const jump = this.settings.get('proxyjump')?.[0]?.values[0]
    return keyword === 'proxycommand' && jump !== undefined && jump.toLowerCase() !== 'none'
  }

  private warnOfSection({ criterion, source }: NonNullable<Section['unsupported']>, lines: Section['lines']): void {
    const matters = (line: Section['lines'][number]): boolean =>
      'keyword' in line ? concernsConnection(line) : line.some((section) => section.lines.some(matters))
    if (lines.some(matters))
      this.warnings.add(`${describeLocation(source)}: Match ${criterion} is not evaluated: its section does not count`)
  }
}

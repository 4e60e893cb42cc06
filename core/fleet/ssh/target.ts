/** Resolves the address and the settings of a connection from the stack file and, for the rest, from ssh_config(5). */
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { expandHome } from '../../host/home_path.ts'
import { ConvergeError } from '../../model/errors.ts'
import { type AlgorithmChoices, algorithmKeywords, algorithmKinds } from './algorithms.ts'
import { configError } from './config_error.ts'
import { jumpHint, parseJump } from './jump.ts'
import type { HostSettings, Setting, UserConfig } from './user_config.ts'

/** The connection settings of a host in the stack file. */
export interface HostAddress {
  /** The name in the stack. */
  readonly name: string
  /** An argument of ssh(1): a host name, an IP address, or a `Host` of ssh_config(5). */
  readonly address: string
  /** Default: that of ssh_config, else 22. */
  readonly port?: number | undefined
  /** Default: that of ssh_config, else the account that runs the program. */
  readonly user?: string | undefined
  /** File of a private key, tried before those of ssh_config; `~/` is the operator's home. Default: none. */
  readonly identity?: string | undefined
  /** As ProxyJump: `[user@]host[:port]`, several separated by commas, or `none`. Default: that of ssh_config. */
  readonly jump?: string | undefined
}

export interface Identity {
  readonly file: string
  /** `default`: one of the files that are tried when none is named. */
  readonly from: 'stack' | 'config' | 'default'
}

export interface SshTarget {
  /** The name in the stack. */
  readonly name: string
  /** The argument of ssh(1), which `Host` of ssh_config matches. */
  readonly configuredAs: string
  /** Host name or IP address of the connection. */
  readonly address: string
  readonly port: number
  readonly user: string
  /** Names that known_hosts may have for it; a new key is stored under the first one. */
  readonly knownAs: readonly [string, ...string[]]
  /** The name that a certificate of its key must contain. */
  readonly certifiedAs: string
  /** Private keys, in the order in which they are tried. */
  readonly identities: readonly Identity[]
  /** Whether only these keys of the agent are offered. */
  readonly identitiesOnly: boolean
  /** Socket of the agent. */
  readonly agent: string | null
  /** The jump host; null: a direct connection. */
  readonly jump: SshTarget | null
  /** Files of known hosts; a new key is stored in the operator's first one. */
  readonly knownHosts: { readonly user: readonly string[]; readonly system: readonly string[]; readonly hash: boolean }
  /** Seconds; null: not set. */
  readonly connectTimeout: number | null
  readonly algorithms: AlgorithmChoices
}

/**
 * Files that ssh(1) tries by default. The last two cannot be offered here; they are listed so that the error explains
 * that.
 */
const defaultKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa', 'id_ed25519_sk', 'id_ecdsa_sk']

/**
 * Resolves a host. StrictHostKeyChecking is ignored: the command line decides for all hosts whether to accept an
 * unknown one. A `no` meant for a test host must not affect a stack.
 * @throws SSH_CONFIG_INVALID, BAD_ADDRESS
 */
export function resolveTarget(host: HostAddress, config: UserConfig): SshTarget {
  return targetOf(host, config, [])
}

function targetOf(host: HostAddress, config: UserConfig, before: readonly string[]): SshTarget {
  const settings = config.settings(host.address, host.user)
  const first = (keyword: string) => settings.get(keyword)?.[0]
  const text = (keyword: string) => first(keyword)?.values[0]
  const address = (expandTokens(first('hostname'), { h: host.address }) ?? host.address).toLowerCase()
  const port = host.port ?? portOf(first('port')) ?? 22
  const user = host.user ?? text('user') ?? config.user
  const alias = text('hostkeyalias')?.toLowerCase()
  const tokens = {
    h: address,
    n: host.address,
    p: String(port),
    r: user,
    u: config.user,
    d: config.home,
    k: alias ?? host.address,
    i: String(process.getuid?.() ?? 0),
    l: hostname(),
    L: hostname().split('.')[0] ?? '',
  }
  const path = (setting: Setting | undefined, value?: string) => {
    const expanded = expandTokens(setting, tokens, value)
    if (setting === undefined || expanded === undefined) return undefined
    if (/^~[^/]/.test(expanded)) throw configError(setting.source, `${expanded}: converge expands ~/ only`)
    return expandHome(withVariables(expanded, setting), config.home)
  }
  const files = (keyword: string, usual: readonly string[]) => {
    const setting = first(keyword)
    const named = setting?.values.flatMap((value) => value.split(/\s+/)).map((value) => path(setting, value) ?? value)
    return (named ?? usual).filter((file) => file !== 'none')
  }
  const withPort = port === 22 ? [] : [`[${address}]:${port}`]
  const agent = text('identityagent')
  return {
    name: host.name,
    configuredAs: host.address,
    address,
    port,
    user,
    knownAs: alias ? [alias] : ([...withPort, address] as unknown as SshTarget['knownAs']),
    certifiedAs: alias ?? address,
    identities: identitiesOf(host, settings, config, path),
    identitiesOnly: flag(first('identitiesonly')),
    agent: agentOf(agent, () => path(first('identityagent')), config),
    jump: jumpOf(host, settings, tokens, config, before),
    knownHosts: {
      user: files('userknownhostsfile', [
        join(config.home, '.ssh/known_hosts'),
        join(config.home, '.ssh/known_hosts2'),
      ]),
      system: files('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']),
      hash: flag(first('hashknownhosts')),
    },
    connectTimeout: seconds(first('connecttimeout')),
    algorithms: algorithmsOf(settings),
  }
}

function algorithmsOf(settings: HostSettings): AlgorithmChoices {
  return Object.fromEntries(
    algorithmKinds.flatMap((kind) => {
      const setting = settings.get(algorithmKeywords[kind].toLowerCase())?.[0]
      return setting ? [[kind, setting]] : []
    }),
  )
}

function identitiesOf(
  { identity }: HostAddress,
  settings: HostSettings,
  config: UserConfig,
  path: (setting: Setting | undefined) => string | undefined,
): Identity[] {
  const fromStack: Identity[] = identity ? [{ file: resolve(expandHome(identity, config.home)), from: 'stack' }] : []
  const configured = settings.get('identityfile')?.flatMap((line) => path(line) ?? [])
  const named = configured?.filter((file) => file !== 'none').map((file) => ({ file, from: 'config' as const }))
  const usual = defaultKeys.map((name) => ({ file: join(config.home, '.ssh', name), from: 'default' as const }))
  const rest = named ?? (identity ? [] : usual)
  return [...fromStack, ...rest.filter(({ file }) => file !== fromStack[0]?.file)]
}

/** Resolves IdentityAgent: `none`, SSH_AUTH_SOCK, the name of another variable after `$`, or a path. */
function agentOf(setting: string | undefined, path: () => string | undefined, config: UserConfig): string | null {
  if (setting === 'none') return null
  if (setting === undefined || setting === 'SSH_AUTH_SOCK') return config.agent
  const [, name] = /^\$\{?(\w+)\}?$/.exec(setting) ?? []
  return (name === undefined ? path() : process.env[name]) ?? null
}

function jumpOf(
  host: HostAddress,
  settings: HostSettings,
  tokens: Readonly<Record<string, string>>,
  config: UserConfig,
  before: readonly string[],
): SshTarget | null {
  const setting = settings.get('proxyjump')?.[0]
  const configured = expandTokens(setting, tokens)
  const chain = host.jump ?? (configured?.toLowerCase() === 'none' ? undefined : configured)
  const command = settings.get('proxycommand')?.[0]
  if (chain === undefined && command && command.values[0]?.toLowerCase() !== 'none')
    throw configError(
      command.source,
      'ProxyCommand is not followed here: name the host to go through (ProxyJump, or `jump`)',
    )
  if (chain === undefined || chain.toLowerCase() === 'none') return null
  const fail = (why: string) =>
    host.jump === undefined && setting
      ? configError(setting.source, why)
      : new ConvergeError(`host ${host.name}: jump: ${why}`, { code: 'BAD_ADDRESS', usage: true, hint: jumpHint })
  const parsedChain = parseJump(chain)
  if (parsedChain === null) throw fail(`'${chain}' is not a list of jump hosts`)
  const { last, user, address, port, before: hops } = parsedChain
  if (before.includes(last)) throw fail(`${[...before, last].join(' goes through ')}`)
  const jump: HostAddress = {
    name: address,
    address,
    user,
    port,
    // The first hops lead to the last one; without any, the last hop's own configuration decides.
    jump: hops,
  }
  return targetOf(jump, config, [...before, last])
}

function portOf(setting: Setting | undefined): number | undefined {
  if (!setting) return undefined
  const [value = ''] = setting.values
  if (/^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535) return Number(value)
  throw configError(setting.source, `Port ${value}: expected a number from 1 to 65535`)
}

function flag(setting: Setting | undefined): boolean {
  const [value = 'no'] = setting?.values ?? []
  if (/^(yes|true)$/i.test(value)) return true
  if (setting === undefined || /^(no|false)$/i.test(value)) return false
  throw configError(setting.source, `'${value}': expected yes or no`)
}

const secondsOf: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** Parses a time such as `90`, `5s` or `2h30m`; null for `none` and for 0. */
function seconds(setting: Setting | undefined): number | null {
  const value = setting?.values[0]
  if (setting === undefined || value === undefined || value === 'none') return null
  if (!/^(\d+[smhdw]?)+$/i.test(value))
    throw configError(setting.source, `'${value}': expected a time such as 30, 5s or 1m30s, or none`)
  let total = 0
  for (const [, count, unit = ''] of value.matchAll(/(\d+)([smhdw]?)/gi))
    total += Number(count) * (secondsOf[unit.toLowerCase()] ?? 1)
  // The longest delay of a timer in Node.js.
  return total === 0 ? null : Math.min(total, 2_147_483)
}

/** Expands `%h` and the other tokens. */
function expandTokens(
  setting: Setting | undefined,
  tokens: Readonly<Record<string, string>>,
  value = setting?.values[0],
): string | undefined {
  if (!setting || value === undefined) return undefined
  return value.replace(/%(.?)/g, (_all, letter: string) => {
    const expansion = letter === '%' ? '%' : tokens[letter]
    const known = Object.keys(tokens).map((one) => `%${one}`)
    if (expansion === undefined)
      throw configError(setting.source, `%${letter} is not known here, only %% ${known.join(' ')}`)
    return expansion
  })
}

/** Expands `${NAME}` in the name of a file. */
function withVariables(path: string, { source }: Setting): string {
  return path.replace(/\$\{(\w+)\}/g, (_all, name: string) => {
    const value = process.env[name]
    if (value === undefined) throw configError(source, `the environment variable ${name} is not set`)
    return value
  })
}

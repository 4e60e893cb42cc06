/** Computes the algorithms that a connection offers a host: those of ssh2, as ssh_config(5) changes them. */
import { configError } from './config_error.ts'
import { matchesPattern } from './patterns.ts'
import type { ssh2Algorithms } from './ssh2.ts'
import type { Setting } from './user_config.ts'

export type AlgorithmKind = 'kex' | 'serverHostKey' | 'cipher' | 'hmac' | 'compress'

/** Names by kind, most preferred first. */
export type Algorithms = Readonly<Record<AlgorithmKind, readonly string[]>>

/** The settings of ssh_config; a kind that it does not mention is absent. */
export type AlgorithmChoices = Readonly<Partial<Record<AlgorithmKind, Setting>>>

/** The keyword of each kind in ssh_config and, for all but compression, in sshd_config. */
export const algorithmKeywords: Readonly<Record<AlgorithmKind, string>> = {
  kex: 'KexAlgorithms',
  serverHostKey: 'HostKeyAlgorithms',
  cipher: 'Ciphers',
  hmac: 'MACs',
  compress: 'Compression',
}

export const algorithmKinds = Object.keys(algorithmKeywords) as readonly AlgorithmKind[]

type Library = Awaited<ReturnType<typeof ssh2Algorithms>>

/**
 * ssh offers these only on demand. A host that offers nothing else was configured that way: the key exchange proves
 * that no attacker removed better ones from its list.
 */
const fallbackCiphers = ['aes256-cbc', 'aes192-cbc', 'aes128-cbc']

/** All algorithms that ssh2 supports on this computer. */
export function supportedAlgorithms(library: Library): Algorithms {
  return {
    kex: library.SUPPORTED_KEX,
    serverHostKey: library.SUPPORTED_SERVER_HOST_KEY,
    cipher: library.SUPPORTED_CIPHER,
    hmac: library.SUPPORTED_MAC,
    compress: library.SUPPORTED_COMPRESSION,
  }
}

/**
 * Returns the algorithms to offer.
 * @param hostKeys the default for host keys; those of the types in known_hosts come first
 * @throws SSH_CONFIG_INVALID where ssh_config names nothing that ssh2 supports
 */
export function offeredAlgorithms(
  library: Library,
  choices: AlgorithmChoices,
  hostKeys: readonly string[],
): Algorithms {
  const supported = supportedAlgorithms(library)
  const defaults: Algorithms = {
    kex: library.DEFAULT_KEX,
    serverHostKey: hostKeys,
    cipher: [...library.DEFAULT_CIPHER, ...fallbackCiphers.filter((name) => supported.cipher.includes(name))],
    hmac: library.DEFAULT_MAC,
    compress: library.DEFAULT_COMPRESSION,
  }
  const chosen = (kind: AlgorithmKind) => choose(kind, choices[kind], defaults[kind], supported[kind])
  return {
    kex: chosen('kex'),
    serverHostKey: chosen('serverHostKey'),
    cipher: chosen('cipher'),
    hmac: chosen('hmac'),
    compress: chosen('compress'),
  }
}

/** Applies a list of ssh_config: it replaces the default, or `+` appends, `-` removes and `^` puts names first. */
function choose(
  kind: AlgorithmKind,
  setting: Setting | undefined,
  defaults: readonly string[],
  supported: readonly string[],
): readonly string[] {
  const value = setting?.values[0]
  if (!setting || value === undefined) return defaults
  const list = kind === 'compress' ? compression(value, setting) : value
  const [, operator = '', names = ''] = /^([-+^]?)(.*)$/.exec(list) ?? []
  const patterns = names.split(',').filter((pattern) => pattern !== '')
  const named = patterns.flatMap((pattern) => supported.filter((name) => matchesPattern(pattern, name)))
  const lists: Readonly<Record<string, readonly string[]>> = {
    '+': [...defaults, ...named],
    '-': defaults.filter((name) => !named.includes(name)),
    '^': [...named, ...defaults],
    '': named,
  }
  const chosen = [...new Set(lists[operator])]
  const isAddition = operator === '+' || operator === '^'
  if (chosen.length === 0 || (isAddition && named.length === 0))
    throw configError(
      setting.source,
      `${algorithmKeywords[kind]} ${value}: converge supports none of these`,
      `name at least one of ${supported.join(',')}`,
    )
  return chosen
}

function compression(value: string, { source }: Setting): string {
  if (/^(yes|true)$/i.test(value)) return 'zlib@openssh.com,zlib,none'
  if (/^(no|false)$/i.test(value)) return 'none,zlib@openssh.com,zlib'
  throw configError(source, `Compression ${value}: expected yes or no`)
}

/** Explains why a host and converge have no algorithm in common, and which line of sshd_config fixes it. */
import { ConvergeError, describeLocation } from '../../model/errors.ts'
import { type AlgorithmKind, type Algorithms, algorithmKeywords, algorithmKinds } from './algorithms.ts'
import { describeTarget } from './failures.ts'
import type { SshTarget } from './target.ts'
import { WireReader } from './wire.ts'

const keyExchangeInit = 20
/** RFC 4253, section 6.1: an implementation must accept packets of this size. */
const maximumPacket = 35_000

/**
 * Reads the algorithms that a host offers (SSH_MSG_KEXINIT, RFC 4253 section 7.1) from the beginning of its stream. The
 * message follows the greeting, unencrypted.
 */
export class OfferReader {
  private received = Buffer.alloc(0)
  private done = false
  offer: Algorithms | null = null

  add(chunk: Buffer): void {
    if (this.done) return
    this.received = Buffer.concat([this.received, chunk])
    const packet = firstPacket(this.received)
    this.done = packet !== null || this.received.length > 2 * maximumPacket
    if (packet) this.offer = parseOffer(packet)
    if (this.done) this.received = Buffer.alloc(0)
  }
}

/** Returns the first packet after the line `SSH-2.0-…`, which other lines may precede; null until it is complete. */
function firstPacket(received: Buffer): Buffer | null {
  const greeting = /^SSH-[^\n]*\n/m.exec(received.toString('latin1'))
  if (!greeting) return null
  const packet = received.subarray(greeting.index + greeting[0].length)
  if (packet.length < 5 || packet.length < 4 + packet.readUInt32BE(0)) return null
  // The lengths of the packet and of its padding come first.
  return packet.subarray(5, 4 + packet.readUInt32BE(0))
}

function parseOffer(packet: Buffer): Algorithms | null {
  if (packet[0] !== keyExchangeInit) return null
  // The message number and 16 random bytes come first.
  const reader = new WireReader(packet.subarray(17))
  try {
    const list = () => reader.text().split(',').filter(isAlgorithmName).slice(0, maxListLength)
    const [kex, serverHostKey, cipher, fromHost, hmac, macFromHost, compress, compressFromHost] = Array.from(
      { length: 8 },
      list,
    ) as [string[], string[], string[], string[], string[], string[], string[], string[]]
    const both = (to: readonly string[], from: readonly string[]) => to.filter((name) => from.includes(name))
    return {
      kex: kex.filter((name) => !isMarker(name)),
      serverHostKey,
      // A server with one setting for both directions sends the same list for both.
      cipher: both(cipher, fromHost),
      hmac: both(hmac, macFromHost),
      compress: both(compress, compressFromHost),
    }
  } catch (thrown) {
    if (thrown instanceof RangeError) return null
    throw thrown
  }
}

/** RFC 4251, section 6. A hostile host could otherwise fill messages and hints with text of its choice. */
const isAlgorithmName = (name: string) => /^[!-~]{1,64}$/.test(name)

/** An sshd offers about 10 of each kind. */
const maxListLength = 40

/** Protocol extensions in the list of key exchange algorithms, which are not algorithms. */
const isMarker = (name: string) => /^(ext-info-|kex-strict-)/.test(name)

const nouns: Readonly<Record<AlgorithmKind, string>> = {
  kex: 'key exchange algorithm',
  serverHostKey: 'host key algorithm',
  cipher: 'cipher',
  hmac: 'MAC',
  compress: 'compression',
}

/** Decides whether a cipher authenticates on its own, so that no MAC is negotiated. */
const isAuthenticated = (cipher: string) => /gcm|poly1305/.test(cipher)

/** Returns the kinds for which the host and converge have no algorithm in common. */
export function kindsWithoutCommonAlgorithm(local: Algorithms, host: Algorithms): readonly AlgorithmKind[] {
  const common = (kind: AlgorithmKind) => local[kind].find((name) => host[kind].includes(name))
  const cipher = common('cipher')
  // Without a common cipher no MAC is missing: the cipher in the hint needs none.
  const needsMac = cipher !== undefined && !isAuthenticated(cipher)
  return algorithmKinds.filter((kind) => common(kind) === undefined && (kind !== 'hmac' || needsMac))
}

export interface Negotiation {
  readonly local: Algorithms
  readonly host: Algorithms
  /** All algorithms that ssh_config could enable. */
  readonly supported: Algorithms
}

/** @returns null where the lists do not explain the failure */
export function noCommonAlgorithm(target: SshTarget, negotiation: Negotiation, cause: unknown): ConvergeError | null {
  const { local, host } = negotiation
  const kinds = kindsWithoutCommonAlgorithm(local, host)
  if (kinds.length === 0) return null
  const reasons = kinds.map((kind) => {
    const choice = target.algorithms[kind]
    const allowed = choice && ` (${algorithmKeywords[kind]} at ${describeLocation(choice.source)})`
    const offered = host[kind].join(',') || 'none'
    return `no common ${nouns[kind]}: the host offers ${offered}; converge offers ${local[kind].join(',')}${allowed ?? ''}`
  })
  return new ConvergeError(`${describeTarget(target)}: cannot connect: ${reasons.join('. ')}`, {
    code: 'NO_COMMON_ALGORITHM',
    // A configuration error, as with keys: the host is not down, and `--down skip` does not skip it.
    usage: true,
    hint: repairs(target, kinds, negotiation).join('; '),
    cause,
  })
}

function repairs(
  target: SshTarget,
  kinds: readonly AlgorithmKind[],
  { local, host, supported }: Negotiation,
): string[] {
  const lines = kinds.flatMap((kind) => sshdLines(kind, local[kind], host[kind])).map((line) => `"${line}"`)
  const keys = kinds.includes('serverHostKey') && !hasUsableKey(host.serverHostKey, local.serverHostKey)
  const onHost =
    `put ${lines.join(' and ')} at the top of /etc/ssh/sshd_config on the host, where the first line of a keyword counts` +
    `${keys ? ', run ssh-keygen -A' : ''}, and reload sshd (systemctl reload ssh)`
  const configLines = kinds.map((kind) =>
    sshLine(
      kind,
      target,
      host[kind].find((name) => supported[kind].includes(name)),
    ),
  )
  if (configLines.includes(null)) return [onHost]
  const isOurs = kinds.every((kind) => target.algorithms[kind] !== undefined)
  return isOurs
    ? [configLines.join(' and ')]
    : [onHost, `or accept what is off by default: ${configLines.join(' and ')}`]
}

/** Returns the lines of sshd_config that add one of converge's algorithms to those that the host offers. */
function sshdLines(kind: AlgorithmKind, local: readonly string[], host: readonly string[]): string[] {
  if (kind === 'compress') return ['Compression no']
  if (kind !== 'serverHostKey')
    return [`${algorithmKeywords[kind]} ${[...host, preferredAlgorithm(kind, local)].join(',')}`]
  const usable = host.map(keyAlgorithm).find((name) => local.includes(name))
  const added = usable ?? 'ssh-ed25519'
  const key = usable === undefined ? ['HostKey /etc/ssh/ssh_host_ed25519_key'] : []
  return [...key, `HostKeyAlgorithms ${[...host, added].join(',')}`]
}

/** Decides whether the host has a key that converge supports; the algorithms of its offer reveal the keys. */
const hasUsableKey = (host: readonly string[], local: readonly string[]) =>
  host.map(keyAlgorithm).some((name) => local.includes(name))

/** Returns the change of ssh_config that enables an algorithm of the host; null where ssh2 does not support it. */
function sshLine(kind: AlgorithmKind, target: SshTarget, name: string | undefined): string | null {
  if (name === undefined) return null
  const choice = target.algorithms[kind]
  if (kind === 'compress') return null
  return choice
    ? `add ${name} to ${algorithmKeywords[kind]} at ${describeLocation(choice.source)}`
    : `"${algorithmKeywords[kind]} +${name}" below "Host ${target.configuredAs}" in ~/.ssh/config`
}

/** Returns the algorithm of converge for the key that the host uses with `name`. */
function keyAlgorithm(name: string): string {
  const plain = name.replace(/-cert-v\d+@openssh\.com$/, '')
  return plain === 'ssh-rsa' ? 'rsa-sha2-512' : plain
}

const recommended: Readonly<Partial<Record<AlgorithmKind, readonly string[]>>> = {
  kex: ['curve25519-sha256', 'ecdh-sha2-nistp256'],
  cipher: ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256'],
}

function preferredAlgorithm(kind: AlgorithmKind, local: readonly string[]): string {
  return recommended[kind]?.find((name) => local.includes(name)) ?? local[0] ?? ''
}

/** Collects the keys that the operator can log in with: those of an agent, and those in files. */
import { existsSync, statSync } from 'node:fs'
import type { BaseAgent, ParsedKey } from 'ssh2'
import { readInputFile } from '../../host/input_file.ts'
import { ConvergeError, failureReason } from '../../model/errors.ts'
import { type AgentKeys, agentKeys, describeUnsupportedKey } from './agent.ts'
import type { OfferedKey } from './offered_key.ts'
import type { Ssh2 } from './ssh2.ts'
import type { SshTarget } from './target.ts'
import { WireReader } from './wire.ts'

/** Asks the operator a question, and hides the answer. */
export type Prompt = (question: string) => Promise<string>

/** Keys in the order of the offer, and explanations for the keys that are not offered. */
export interface OfferedKeys {
  readonly offers: readonly OfferedKey[]
  readonly notes: readonly string[]
}

/** The most attempts for a passphrase, as with ssh. */
const maxAttempts = 3

/** The keys of one run, for all hosts: it reads each file once and asks for each passphrase once. */
export class KeyRing {
  private readonly files = new Map<string, Promise<KeyFile>>()
  private readonly agents = new Map<string, Promise<AgentKeys>>()
  /** Resolves when the last question is answered, so that the operator gets one question at a time. */
  private lastAnswer: Promise<unknown> = Promise.resolve()
  private readonly ssh2: Ssh2
  private readonly prompt: Prompt | null

  constructor(ssh2: Ssh2, prompt: Prompt | null) {
    this.ssh2 = ssh2
    this.prompt = prompt
  }

  /**
   * Returns the keys to offer, in this order: keys of the agent that match a named file, files of the stack, other keys
   * of the agent, other files. So a named key is tried before a server has refused too many others (MaxAuthTries).
   */
  async offersFor({ identities, identitiesOnly, agent }: SshTarget): Promise<OfferedKeys> {
    const notes: string[] = []
    const named: KeyFile[] = []
    const others: KeyFile[] = []
    for (const identity of identities) {
      try {
        const offer = await this.keyFile(identity.file)
        ;(identity.from === 'stack' ? named : others).push(offer)
      } catch (thrown) {
        if (!(thrown instanceof ConvergeError) || identity.from === 'stack') throw thrown
        // Most of the default files do not exist.
        if (identity.from === 'config' || existsSync(identity.file)) notes.push(thrown.message)
      }
      const certificate = `${identity.file}-cert.pub`
      if (existsSync(certificate))
        notes.push(`${certificate} is not shown: certificates of accounts are not supported here`)
    }
    const ofAgent = agent === null ? [] : await this.agentOffers(agent, notes)
    const fileOf = ({ key }: OfferedKey) => [...named, ...others].find(({ key: other }) => isSameKey(key, other))
    const first = ofAgent.flatMap((offer) => withFileFallback(offer, fileOf(offer)) ?? [])
    const rest = identitiesOnly ? [] : ofAgent.filter((offer) => fileOf(offer) === undefined)
    const keysOnDisk = (files: readonly KeyFile[]) =>
      files.filter((file) => {
        if (ofAgent.some(({ key }) => isSameKey(key, file.key))) return false
        if (file.openPrivate) return true
        const failure = notReadable(file.name, 'this is a public key, and no agent has the private one')
        if (named.includes(file)) throw failure
        notes.push(failure.message)
        return false
      })
    return { offers: [...first, ...keysOnDisk(named), ...rest, ...keysOnDisk(others)], notes }
  }

  private async agentOffers(socket: string, notes: string[]): Promise<readonly OfferedKey[]> {
    const known = this.agents.get(socket) ?? agentKeys(this.ssh2, socket)
    this.agents.set(socket, known)
    try {
      const { offers, notes: own } = await known
      notes.push(...own)
      return offers
    } catch (thrown) {
      this.agents.delete(socket)
      notes.push(`the agent at ${socket} does not answer (${(thrown as Error).message})`)
      return []
    }
  }

  private keyFile(path: string): Promise<KeyFile> {
    const known = this.files.get(path) ?? this.readKeyFile(path)
    this.files.set(path, known)
    return known
  }

  private async readKeyFile(path: string): Promise<KeyFile> {
    const { text, isOpenToOthers } = readKey(path)
    const kind = keyTypeOf(text)
    if (kind?.startsWith('sk-')) throw notReadable(path, `the key is ${describeUnsupportedKey(kind)}`, tokenHint)
    const parse = (passphrase?: string) => unwrapKey(this.ssh2.utils.parseKey(text, passphrase))
    const plain = parse()
    // A public key selects a key of the agent.
    if (!(plain instanceof Error) && !plain.isPrivateKey()) return new KeyFile(path, plain, null)
    if (isOpenToOthers) throw notReadable(path, 'others may read this private key', `chmod 600 ${path}`)
    if (!(plain instanceof Error)) return new KeyFile(path, plain, () => Promise.resolve(plain))
    if (!/no passphrase given/.test(plain.message)) throw notReadable(path, `is not a private key (${plain.message})`)
    let opened: Promise<ParsedKey> | undefined
    const open = () => {
      opened ??= this.inTurn(() => this.decrypt(path, parse))
      return opened
    }
    const publicText = publicPart(text) ?? publicFile(path)
    const key = publicText === null ? await open() : unwrapKey(this.ssh2.utils.parseKey(publicText))
    if (key instanceof Error) throw notReadable(`${path}.pub`, `is not a public key (${key.message})`)
    return new KeyFile(path, key, open)
  }

  private async decrypt(path: string, parse: (passphrase: string) => ParsedKey | Error): Promise<ParsedKey> {
    const failure = (message: string) =>
      new ConvergeError(`${path}: ${message}`, {
        code: 'KEY_PASSPHRASE',
        usage: true,
        hint: 'give the key to an agent (ssh-add), or run where there is a terminal to ask on',
      })
    if (this.prompt === null) throw failure('the key has a passphrase, and there is no terminal to ask for it')
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const passphrase = await this.prompt(`${attempt === 1 ? '' : 'Wrong. '}Passphrase of ${path}: `)
      const key = parse(passphrase)
      if (!(key instanceof Error)) return key
    }
    throw failure(`the passphrase was wrong ${maxAttempts} times`)
  }

  private inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.lastAnswer.then(ask)
    // The caller handles a failure; the next question is asked anyway.
    this.lastAnswer = answer.catch(() => undefined)
    return answer
  }
}

class KeyFile implements OfferedKey {
  readonly name: string
  readonly key: ParsedKey
  /** Returns the private key; null where there is only the public one. */
  readonly openPrivate: (() => Promise<ParsedKey>) | null

  constructor(path: string, key: ParsedKey, open: (() => Promise<ParsedKey>) | null) {
    this.name = path
    this.key = key
    this.openPrivate = open
  }

  async sign(data: Buffer, hash?: string): Promise<Buffer> {
    const signature: Buffer | Error | undefined = (await this.openPrivate?.())?.sign(data, hash)
    if (!Buffer.isBuffer(signature)) throw signature ?? new Error('there is no private key')
    return signature
  }
}

/** Combines a key of the agent with its file, as the agent may be gone before it signs. Null: no file has the key. */
function withFileFallback(offer: OfferedKey, file: KeyFile | undefined): OfferedKey | null {
  if (!file?.openPrivate) return file ? offer : null
  return { ...offer, sign: (data, hash) => offer.sign(data, hash).catch(() => file.sign(data, hash)) }
}

const isSameKey = (one: ParsedKey, other: ParsedKey) => one.getPublicSSH().equals(other.getPublicSSH())

/** Offers the keys to ssh2 one after the other; a passphrase is requested only once the host accepts the key. */
export function asAgent(
  ssh2: Ssh2,
  offers: readonly OfferedKey[],
  onEvent: { readonly signed: (name: string) => void; readonly failed: (error: unknown) => void },
): BaseAgent<ParsedKey> {
  const { BaseAgent } = ssh2
  class Offering extends BaseAgent<ParsedKey> {
    getIdentities(answer: (error: null, keys: ParsedKey[]) => void) {
      answer(
        null,
        offers.map(({ key }) => key),
      )
    }

    sign(key: ParsedKey, data: Buffer, ...rest: unknown[]) {
      const answer = rest.pop() as (error: Error | null, signature?: Buffer) => void
      const { hash } = (rest[0] ?? {}) as { readonly hash?: 'sha1' | 'sha256' | 'sha512' }
      const offer = offers.find((other) => isSameKey(other.key, key))
      Promise.resolve(offer?.sign(data, hash)).then(
        (signature) => {
          if (offer) onEvent.signed(offer.name)
          answer(null, signature)
        },
        (thrown: Error) => {
          onEvent.failed(thrown)
          answer(thrown)
        },
      )
    }
  }
  return new Offering()
}

/** Unwraps a key: for a file in OpenSSH's own format, ssh2 returns a list of one. */
function unwrapKey(key: ParsedKey | Error | (ParsedKey | Error)[]): ParsedKey | Error {
  return Array.isArray(key) ? (key[0] ?? new Error('it holds no key')) : key
}

/** Bytes. */
const longestKey = 1 << 20

/** Reads a key file, or as with ssh its public key if only that exists. */
function readKey(path: string): { readonly text: Buffer; readonly isOpenToOthers: boolean } {
  const file = !existsSync(path) && existsSync(`${path}.pub`) ? `${path}.pub` : path
  try {
    const { mode, uid } = statSync(file)
    return { text: readInputFile(file, longestKey), isOpenToOthers: (mode & 0o077) !== 0 && uid === process.getuid?.() }
  } catch (thrown) {
    throw notReadable(file, failureReason(thrown, file))
  }
}

const notReadable = (path: string, why: string, hint = 'name a private key that you may read') =>
  new ConvergeError(`${path}: ${why}`, { code: 'KEY_NOT_READABLE', usage: true, hint })

const tokenHint = 'name a key that is in a file or an agent; one in a PIV token signs through ssh-agent (ssh-add -s)'

/** Returns the type of a private key in OpenSSH's own format, or of a public key. */
function keyTypeOf(text: Buffer): string | undefined {
  return (publicPart(text) ?? text.toString('utf8', 0, 200).trim()).split(/\s/)[0]
}

/** Returns the unencrypted public key that precedes an encrypted one, as a line of an authorized_keys file. */
function publicPart(text: Buffer): string | null {
  const [, body] = text.toString().match(/^-----BEGIN OPENSSH PRIVATE KEY-----\s+([^-]+)/m) ?? []
  if (body === undefined) return null
  const magic = 'openssh-key-v1\0'
  const data = Buffer.from(body, 'base64')
  if (data.toString('latin1', 0, magic.length) !== magic) return null
  try {
    const reader = new WireReader(data.subarray(magic.length))
    // Cipher, key derivation function, and its options.
    for (let skipped = 0; skipped < 3; skipped++) reader.string()
    if (reader.uint32() < 1) return null
    const key = reader.string()
    return `${new WireReader(key).text()} ${key.toString('base64')}`
  } catch (thrown) {
    // An incomplete key; the error is reported when the whole key is parsed.
    if (thrown instanceof RangeError) return null
    throw thrown
  }
}

function publicFile(path: string): string | null {
  return existsSync(`${path}.pub`) ? readInputFile(`${path}.pub`, longestKey).toString('utf8') : null
}

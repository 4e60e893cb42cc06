/** Reads, searches and extends known_hosts files, see "SSH_KNOWN_HOSTS FILE FORMAT" in sshd(8). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { readInputFile } from '../../host/input_file.ts'
import { ConvergeError, failureReason, type SourceLocation } from '../../model/errors.ts'
import { matchesPatterns } from './patterns.ts'
import { keyType } from './wire.ts'

export interface KnownHostLine {
  readonly file: string
  /** 1-based. */
  readonly line: number
  readonly marker: 'cert-authority' | 'revoked' | null
  /** Patterns separated by commas, or one hashed name. */
  readonly hosts: string
  readonly key: Buffer
}

export interface KnownHosts {
  readonly lines: readonly KnownHostLine[]
  /** Invalid lines; ssh ignores them silently. */
  readonly unreadable: readonly SourceLocation[]
}

/** The result of a search for a host's key. */
export type Verdict =
  | { readonly is: 'known' }
  | { readonly is: 'revoked'; readonly line: KnownHostLine }
  /** known_hosts has other keys of this host. */
  | { readonly is: 'changed'; readonly lines: readonly KnownHostLine[] }
  /** A certificate of one of these authorities would verify the key; `lines` are other keys of this host. */
  | {
      readonly is: 'certifiable'
      readonly authorities: readonly KnownHostLine[]
      readonly lines: readonly KnownHostLine[]
    }
  | { readonly is: 'new' }

export function parseKnownHosts(text: string, file: string): KnownHosts {
  const lines: KnownHostLine[] = []
  const unreadable: SourceLocation[] = []
  for (const [index, row] of text.split('\n').entries()) {
    const fields = row.trim().split(/[ \t]+/)
    if (fields[0] === '' || fields[0]?.startsWith('#')) continue
    const marker = fields[0]?.startsWith('@') ? fields.shift()?.slice(1) : null
    const [hosts, type, base64] = fields
    const key = Buffer.from(base64 ?? '', 'base64')
    const hasValidMarker = marker === null || marker === 'cert-authority' || marker === 'revoked'
    if (!hasValidMarker || hosts === undefined || key.length === 0 || keyType(key) !== type)
      unreadable.push({ file, line: index + 1 })
    else lines.push({ file, line: index + 1, marker, hosts, key })
  }
  return { lines, unreadable }
}

/**
 * Reads files; a file that does not exist has no lines.
 * @throws KNOWN_HOSTS_UNUSABLE
 */
export function readKnownHosts(files: readonly string[]): KnownHosts {
  const all = files.map((file) => {
    try {
      return parseKnownHosts(readInputFile(file).toString('utf8'), file)
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return { lines: [], unreadable: [] }
      throw unusableFile(file, 'it cannot be read', thrown)
    }
  })
  return { lines: all.flatMap(({ lines }) => lines), unreadable: all.flatMap(({ unreadable }) => unreadable) }
}

/**
 * Decides whether a line is about a host.
 * @param name the host as known_hosts writes it, `[address]:port` where the port is not 22
 */
export function isAbout({ hosts }: Pick<KnownHostLine, 'hosts'>, name: string): boolean {
  if (!hosts.startsWith('|')) return matchesPatterns(hosts.split(','), name)
  const [, version, salt, hash] = hosts.split('|')
  if (version !== '1' || salt === undefined || hash === undefined) return false
  const expected = Buffer.from(hash, 'base64')
  const actual = hashOf(name, Buffer.from(salt, 'base64'))
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

/** Hashes the name in lower case, as ssh stores it. */
const hashOf = (name: string, salt: Buffer) => createHmac('sha1', salt).update(name.toLowerCase()).digest()

/**
 * Searches the key of a host.
 * @param names of the host, the one that its key is stored under first. The others (an address without its port) may
 * have the key as well; another key under those is no contradiction.
 */
export function searchKey(known: readonly KnownHostLine[], names: readonly string[], key: Buffer): Verdict {
  const about = known.filter((line) => names.some((name) => isAbout(line, name)))
  const revoked = about.find((line) => line.marker === 'revoked' && line.key.equals(key))
  if (revoked) return { is: 'revoked', line: revoked }
  if (about.some((line) => line.marker === null && line.key.equals(key))) return { is: 'known' }
  const lines = about.filter((line) => line.marker === null && isAbout(line, names[0] ?? ''))
  const authorities = about.filter((line) => line.marker === 'cert-authority')
  if (authorities.length > 0) return { is: 'certifiable', authorities, lines }
  return lines.length > 0 ? { is: 'changed', lines } : { is: 'new' }
}

/** Returns the line that revokes a key for a host, for example the key of an authority. */
export function revokedBy(known: readonly KnownHostLine[], names: readonly string[], key: Buffer) {
  const verdict = searchKey(known, names, key)
  return verdict.is === 'revoked' ? verdict.line : null
}

const algorithmsOf: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  // Without SHA-1 signatures, as in ssh since 8.8.
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
}

/** Returns the algorithms to request, those of known keys first: otherwise the host may send an unknown key. */
export function algorithmsFor(types: Iterable<string>): string[] {
  const order = new Set([...types].filter((type) => Object.hasOwn(algorithmsOf, type)))
  for (const type of Object.keys(algorithmsOf)) order.add(type)
  return [...order].flatMap((type) => algorithmsOf[type] ?? [])
}

/** Returns the types of the known keys of a host, in the order of the files. */
export function knownKeyTypes(known: readonly KnownHostLine[], names: readonly string[]): string[] {
  const keyLines = known.filter(({ marker }) => marker === null)
  for (const name of names) {
    const about = keyLines.filter((line) => isAbout(line, name))
    if (about.length > 0) return about.flatMap(({ key }) => keyType(key) ?? [])
  }
  return []
}

/**
 * Appends a line in a single write, so that simultaneous runs lose no line. Creates a missing file, readable for its
 * owner only.
 * @throws KNOWN_HOSTS_UNUSABLE
 */
export function appendKnownHost(file: string, name: string, key: Buffer, options: { readonly hash: boolean }): void {
  const salt = randomBytes(20)
  const hashed = () => `|1|${salt.toString('base64')}|${hashOf(name, salt).toString('base64')}`
  const row = `${options.hash ? hashed() : name.toLowerCase()} ${keyType(key)} ${key.toString('base64')}\n`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const descriptor = openSync(file, 'a+', 0o600)
    try {
      writeSync(descriptor, endsWithoutLineEnd(descriptor) ? `\n${row}` : row)
    } finally {
      closeSync(descriptor)
    }
  } catch (thrown) {
    throw unusableFile(file, 'the key of a new host cannot be stored', thrown)
  }
}

const unusableFile = (file: string, what: string, thrown: unknown) =>
  new ConvergeError(`${file}: ${what}: ${failureReason(thrown, file)}`, {
    code: 'KNOWN_HOSTS_UNUSABLE',
    usage: true,
    hint: 'give your account access to it, or name another file in ~/.ssh/config: UserKnownHostsFile',
    cause: thrown,
  })

function endsWithoutLineEnd(descriptor: number): boolean {
  const { size } = fstatSync(descriptor)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString() !== '\n'
}

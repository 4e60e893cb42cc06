/** Makes random keys for sessions, tokens and invitations. The database stores only their digests. */
import { createHash, randomBytes } from 'node:crypto'

export interface RandomKey {
  /** Its owner gets it once. */
  readonly key: string
  /** The database stores this. */
  readonly digest: string
}

/** @param prefix names the kind, so that scanners for leaked keys find it */
export function randomKey(prefix: string): RandomKey {
  const key = `${prefix}_${randomBytes(32).toString('base64url')}`
  return { key, digest: digestOf(key) }
}

/** Returns the SHA-256 of a key: a random key of 256 bits needs no slow digest. */
export function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** Parses and verifies certificates of host keys, as ssh-keygen(1) makes them. */
import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { matchesPattern } from './patterns.ts'
import { keyType, WireReader, wireString } from './wire.ts'

export interface HostCertificate {
  /** The key that it certifies, in the format that a host sends. */
  readonly key: Buffer
  readonly kind: 'host' | 'user' | 'unknown'
  readonly id: string
  /** Names that it is valid for; none: any. They may contain `*` and `?`. */
  readonly principals: readonly string[]
  /** Seconds since 1970. */
  readonly from: bigint
  /** Seconds since 1970; from then on it is no longer valid. */
  readonly until: bigint
  readonly criticalOptions: readonly string[]
  readonly authority: Buffer
  readonly signature: Buffer
  /** The data that the signature covers. */
  readonly signed: Buffer
}

const suffix = '-cert-v01@openssh.com'

/** Number of fields of the key itself, by type. */
const keyFields: Readonly<Record<string, number>> = {
  'ssh-ed25519': 1,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
  'ssh-rsa': 2,
}

/** @returns null where the data is not a certificate of a known type */
export function parseCertificate(data: Buffer): HostCertificate | null {
  try {
    const reader = new WireReader(data)
    const type = reader.text()
    const keyName = type.endsWith(suffix) ? type.slice(0, -suffix.length) : ''
    const fields = keyFields[keyName]
    if (fields === undefined) return null
    reader.string() // a nonce
    const key = Buffer.concat([
      wireString(keyName),
      ...Array.from({ length: fields }, () => wireString(reader.string())),
    ])
    reader.uint64() // a serial number
    const kind = ({ 1: 'user', 2: 'host' } as const)[reader.uint32()] ?? 'unknown'
    const id = reader.text()
    const principals = stringsIn(reader.string()).map(String)
    const [from, until] = [reader.uint64(), reader.uint64()]
    const criticalOptions = stringsIn(reader.string()).filter((_, index) => index % 2 === 0)
    reader.string() // extensions, of which hosts have none
    reader.string() // reserved
    const authority = reader.string()
    const signed = data.subarray(0, reader.offset)
    const signature = reader.string()
    if (!reader.done) return null
    return {
      key,
      kind,
      id,
      principals,
      from,
      until,
      authority,
      signature,
      signed,
      criticalOptions: criticalOptions.map(String),
    }
  } catch (thrown) {
    if (thrown instanceof RangeError) return null
    throw thrown
  }
}

function stringsIn(data: Buffer): Buffer[] {
  const reader = new WireReader(data)
  const all: Buffer[] = []
  while (!reader.done) all.push(reader.string())
  return all
}

/**
 * Explains why a certificate is not valid.
 * @param expected `key`: the key that the host has proved; `authorities`: who may certify it; `name`: the host's name;
 * `now`: ms since 1970
 * @returns null for a valid certificate
 */
export function whyInvalid(
  certificate: HostCertificate,
  expected: {
    readonly key: Buffer
    readonly name: string
    readonly authorities: readonly Buffer[]
    readonly now: number
  },
): string | null {
  const { principals, from, until, criticalOptions } = certificate
  const seconds = BigInt(Math.floor(expected.now / 1000))
  if (certificate.kind !== 'host') return 'it is not a host certificate'
  if (!expected.authorities.some((key) => key.equals(certificate.authority)))
    return 'another authority has signed it than the one that is known'
  if (!isSigned(certificate)) return 'its signature is not that of its authority'
  if (!certificate.key.equals(expected.key)) return 'it certifies another key than the one the host has'
  if (principals.length > 0 && !principals.some((pattern) => matchesPattern(pattern, expected.name)))
    return `it is made out to ${principals.join(', ')}, not to ${expected.name}`
  if (seconds < from) return `it is valid from ${date(from)} on`
  if (seconds >= until) return `it was valid until ${date(until)}`
  if (criticalOptions.length > 0) return `it has a condition that is not known here: ${criticalOptions.join(', ')}`
  return null
}

const date = (seconds: bigint) => new Date(Number(seconds) * 1000).toISOString()

const curves: Readonly<Record<string, { readonly crv: string; readonly size: number; readonly hash: string }>> = {
  'ecdsa-sha2-nistp256': { crv: 'P-256', size: 32, hash: 'sha256' },
  'ecdsa-sha2-nistp384': { crv: 'P-384', size: 48, hash: 'sha384' },
  'ecdsa-sha2-nistp521': { crv: 'P-521', size: 66, hash: 'sha512' },
}

function isSigned({ authority, signature, signed }: HostCertificate): boolean {
  try {
    const reader = new WireReader(signature)
    const algorithm = reader.text()
    const value = reader.string()
    const type = keyType(authority) ?? ''
    const key = () => createPublicKey({ key: asJwk(authority), format: 'jwk' })
    if (algorithm === 'ssh-ed25519' && type === algorithm) return verify(null, signed, key(), value)
    const curve = curves[algorithm]
    if (curve && type === algorithm) {
      const pair = new WireReader(value)
      const number = Buffer.concat([withSize(pair.string(), curve.size), withSize(pair.string(), curve.size)])
      return verify(curve.hash, signed, { key: key(), dsaEncoding: 'ieee-p1363' }, number)
    }
    // Plain `ssh-rsa` signatures use SHA-1, which is no longer accepted.
    const hash = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }[algorithm]
    return hash !== undefined && type === 'ssh-rsa' && verify(hash, signed, key(), value)
  } catch (thrown) {
    // For an invalid key, node:crypto throws a TypeError or an error of OpenSSL.
    if (thrown instanceof Error) return false
    throw thrown
  }
}

function asJwk(key: Buffer): JsonWebKey {
  const reader = new WireReader(key)
  const type = reader.text()
  const encoded = (data: Buffer) => data.toString('base64url')
  if (type === 'ssh-ed25519') return { kty: 'OKP', crv: 'Ed25519', x: encoded(reader.string()) }
  if (type === 'ssh-rsa') {
    const [e, n] = [reader.string(), reader.string()]
    return { kty: 'RSA', e: encoded(withSize(e)), n: encoded(withSize(n)) }
  }
  const curve = Object.hasOwn(curves, type) ? curves[type] : undefined
  if (!curve) throw new RangeError(`unknown type of key ${type}`)
  reader.string() // the name of the curve once more
  const point = reader.string()
  const [x, y] = [point.subarray(1, 1 + curve.size), point.subarray(1 + curve.size)]
  return { kty: 'EC', crv: curve.crv, x: encoded(x), y: encoded(y) }
}

/** Removes the leading zeros of a number, then adds as many as fill `size` bytes. */
function withSize(number: Buffer, size = 0): Buffer {
  const start = number.findIndex((byte) => byte !== 0)
  const bare = start < 0 ? Buffer.alloc(0) : number.subarray(start)
  return Buffer.concat([Buffer.alloc(Math.max(0, size - bare.length)), bare])
}

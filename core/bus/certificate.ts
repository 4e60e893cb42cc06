/** Makes the certificate of the bus: ECDSA P-256, self-signed. Agents trust exactly this one. */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'

/** Encodes one value in DER: its tag, its length and its content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const digits = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length]), digits, content])
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const octets = (content: Uint8Array) => der(0x04, content)
const bits = (content: Uint8Array) => der(0x03, Buffer.from([0]), content)
const truth = der(0x01, Buffer.from([0xff]))

/** GeneralizedTime, which X.509 requires from 2050 on, and UTCTime before. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\D/g, '').slice(0, 14)
  return date.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : der(0x18, Buffer.from(`${digits}Z`))
}

const commonName = (name: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(name)))))
const extension = (id: string, isCritical: boolean, value: Uint8Array) =>
  sequence(oid(id), ...(isCritical ? [truth] : []), octets(value))

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const yearMs = 365 * 24 * 3600 * 1000

export interface Certificate {
  /** PEM. */
  readonly certificate: string
  /** PEM. */
  readonly key: string
}

/**
 * Makes a certificate for a name.
 * @param now milliseconds since 1970; the certificate begins a day before it, because clocks differ
 */
export function selfSignedCertificate(name: string, now: number, years = 20): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  // A serial number is positive: the first bit is cleared, and the first byte is not zero.
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ecdsaWithSha256,
    commonName(name),
    sequence(time(new Date(now - 24 * 3600 * 1000)), time(new Date(now + years * yearMs))),
    commonName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        extension('551d13', true, sequence(truth)),
        extension('551d0f', true, der(0x03, Buffer.from([2, 0x84]))),
        extension('551d25', false, sequence(oid('2b06010505070301'))),
        extension('551d11', false, sequence(der(0x82, Buffer.from(name)))),
      ),
    ),
  )
  const signature = sign('sha256', content, privateKey)
  const whole = sequence(content, ecdsaWithSha256, bits(signature))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** Returns the SHA-256 of a certificate in DER, in hexadecimal digits. */
export function fingerprintOf(certificate: string | Uint8Array): string {
  const raw = typeof certificate === 'string' ? new X509Certificate(certificate).raw : certificate
  return createHash('sha256').update(raw).digest('hex')
}

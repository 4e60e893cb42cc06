/** Tests certificates of host keys: which ones are valid, and that a change of any bit invalidates one. */
import { generateKeyPairSync, type KeyPairKeyObjectResult, sign } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { parseCertificate, whyInvalid } from '../../../../core/fleet/ssh/certificate.ts'
import { WireReader, wireString } from '../../../../core/fleet/ssh/wire.ts'

const number = (value: string) => {
  const bytes = Buffer.from(value, 'base64url')
  return wireString((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes)
}
const uint = (value: bigint, size: 4 | 8) => {
  const data = Buffer.alloc(8)
  data.writeBigUInt64BE(value)
  return data.subarray(8 - size)
}

/** An authority: its public key in wire format, and its signing function. */
interface Authority {
  readonly fields: Buffer
  readonly type: string
  sign(data: Buffer): Buffer
}

function ed25519(): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const x = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const signed = (data: Buffer) => Buffer.concat([wireString('ssh-ed25519'), wireString(sign(null, data, privateKey))])
  return { type: 'ssh-ed25519', fields: wireString(x), sign: signed }
}

function ecdsa(curve: 'P-256' | 'P-384' | 'P-521'): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const name = `nistp${curve.slice(2)}`
  const hash = { 'P-256': 'sha256', 'P-384': 'sha384', 'P-521': 'sha512' }[curve]
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  const type = `ecdsa-sha2-${name}`
  const signed = (data: Buffer) => {
    const pair = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const half = pair.length / 2
    // Numbers are encoded without leading zeros.
    const bare = (part: Buffer) => number(part.subarray(part.findIndex((byte) => byte !== 0)).toString('base64url'))
    const blob = Buffer.concat([bare(pair.subarray(0, half)), bare(pair.subarray(half))])
    return Buffer.concat([wireString(type), wireString(blob)])
  }
  return { type, fields: Buffer.concat([wireString(name), wireString(point)]), sign: signed }
}

function rsa(algorithm: 'rsa-sha2-256' | 'rsa-sha2-512' | 'ssh-rsa', pair: KeyPairKeyObjectResult): Authority {
  const { e = '', n = '' } = pair.publicKey.export({ format: 'jwk' })
  const hash = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512', 'ssh-rsa': 'sha1' }[algorithm]
  const signed = (data: Buffer) => Buffer.concat([wireString(algorithm), wireString(sign(hash, data, pair.privateKey))])
  return { type: 'ssh-rsa', fields: Buffer.concat([number(e), number(n)]), sign: signed }
}

const publicKey = ({ type, fields }: Authority) => Buffer.concat([wireString(type), fields])
const host = ed25519()
const authority = ed25519()
const now = Date.UTC(2026, 0, 1)
const seconds = BigInt(now / 1000)

interface Content {
  readonly of?: Authority
  readonly kind?: bigint
  readonly principals?: readonly string[]
  readonly from?: bigint
  readonly until?: bigint
  readonly critical?: readonly string[]
  readonly by?: Authority
}

function certificate({ of = host, kind = 2n, principals = ['web1'], by = authority, ...rest }: Content = {}): Buffer {
  const { from = 0n, until = 2n ** 64n - 1n, critical = [] } = rest
  const options = critical.flatMap((name) => [wireString(name), wireString(wireString('x'))])
  const signed = Buffer.concat([
    ...[wireString(`${of.type}-cert-v01@openssh.com`), wireString('nonce'), of.fields],
    ...[uint(7n, 8), uint(kind, 4), wireString('the id'), wireString(Buffer.concat(principals.map(wireString)))],
    ...[uint(from, 8), uint(until, 8), wireString(Buffer.concat(options)), wireString(''), wireString('')],
    wireString(publicKey(by)),
  ])
  return Buffer.concat([signed, wireString(by.sign(signed))])
}

function reason(content: Content | Buffer, expected: Partial<Parameters<typeof whyInvalid>[1]> = {}) {
  const parsed = parseCertificate(Buffer.isBuffer(content) ? content : certificate(content))
  if (!parsed) return 'no certificate'
  const usual = { key: publicKey(host), name: 'web1', authorities: [publicKey(authority)], now }
  return whyInvalid(parsed, { ...usual, ...expected })
}

t.test('parses a certificate', async (t) => {
  t.match(parseCertificate(certificate({ principals: ['a', 'b'], from: 1n, until: 2n })), {
    key: publicKey(host),
    kind: 'host',
    id: 'the id',
    principals: ['a', 'b'],
    from: 1n,
    until: 2n,
    authority: publicKey(authority),
  })
  t.equal(parseCertificate(publicKey(host)), null, 'a plain key')
  t.equal(parseCertificate(Buffer.from('what')), null)
  t.equal(parseCertificate(Buffer.concat([certificate(), Buffer.alloc(1)])), null, 'more behind it')
})

t.test('accepts authorities and host keys of all types', async (t) => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const good = [ecdsa('P-256'), ecdsa('P-384'), ecdsa('P-521'), rsa('rsa-sha2-256', pair), rsa('rsa-sha2-512', pair)]
  for (const by of [...good, authority]) {
    t.equal(reason({ by }, { authorities: [publicKey(by)] }), null, by.type)
    t.equal(
      reason({ by, of: by }, { authorities: [publicKey(by)], key: publicKey(by) }),
      null,
      `${by.type}, of the host`,
    )
  }
  const weak = rsa('ssh-rsa', pair)
  t.match(reason({ by: weak }, { authorities: [publicKey(weak)] }), /its signature is not/, 'SHA-1')
  const foreign = { ...ed25519(), fields: authority.fields }
  t.match(reason({ by: foreign }), /its signature is not/, 'signed with another key than the named one')
})

t.test('accepts a certificate only for its principals, kind and authority', async (t) => {
  t.equal(reason({}), null)
  t.match(reason({ kind: 1n }), /not a host certificate/)
  t.match(reason({ kind: 3n }), /not a host certificate/)
  t.match(reason({ by: ed25519() }), /another authority/)
  t.match(reason({}, { authorities: [] }), /another authority/)
  t.match(reason({ of: ed25519() }), /another key than the one the host has/)
  t.match(reason({ principals: ['web2', 'db'] }), /made out to web2, db, not to web1/)
  t.equal(reason({ principals: ['web?'] }), null)
  t.equal(reason({ principals: [] }), null, 'made out to no name: any')
  t.match(reason({ critical: ['source-address'] }), /a condition that is not known here: source-address/)
})

t.test('accepts a certificate only while it is valid, to the second', async (t) => {
  t.equal(reason({ from: seconds, until: seconds + 1n }), null)
  t.match(reason({ from: seconds + 1n }), 'it is valid from 2026-01-01T00:00:01.000Z on')
  t.match(reason({ until: seconds }), 'it was valid until 2026-01-01T00:00:00.000Z')
})

t.test('refuses a certificate with any changed or missing byte', async () => {
  const whole = certificate({ principals: ['web1'], until: seconds + 60n })
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ change
      return reason(changed) !== null
    }),
    { numRuns: 500 },
  )
  fc.assert(fc.property(fc.nat(whole.length - 1), (length) => reason(whole.subarray(0, length)) !== null))
})

t.test('any data is either parsed or refused', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
      const bytes = Buffer.concat([wireString('ssh-ed25519-cert-v01@openssh.com'), data])
      return parseCertificate(bytes) === null || typeof reason(bytes) === 'string'
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.string()), (texts) => {
      const reader = new WireReader(Buffer.concat(texts.map(wireString)))
      const read = texts.map(() => reader.text())
      return reader.done && read.every((text, index) => text === texts[index])
    }),
  )
})

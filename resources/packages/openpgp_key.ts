/** Reads OpenPGP keyrings, as apt takes them: RFC 9580. */
import { createHash } from 'node:crypto'

/** Returns the binary form of a keyring; null if the content is none. */
export function binaryKeyring(content: Buffer): Buffer | null {
  const text = content.toString('latin1')
  const blocks = [
    ...text.matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g),
  ]
  if (blocks.length === 0) return keyFingerprints(content).length > 0 ? content : null
  const parts = blocks.map(([, block = '']) => {
    // Headers end at the first empty line; a line that begins with = is the checksum.
    const body = block.replace(/^[\s\S]*?(?:^|\n)[ \t]*\r?\n/, '').replace(/^=[A-Za-z0-9+/]{4}\s*$/m, '')
    return Buffer.from(body, 'base64')
  })
  const keyring = Buffer.concat(parts)
  return keyFingerprints(keyring).length > 0 ? keyring : null
}

/** Returns the fingerprints of the primary keys of a binary keyring, in capitals; empty if it is damaged. */
export function keyFingerprints(keyring: Buffer): string[] {
  const found: string[] = []
  for (let at = 0; at < keyring.length; ) {
    const packet = readPacket(keyring, at)
    if (packet === null) return []
    if (packet.tag === 6) found.push(fingerprint(packet.body))
    at = packet.end
  }
  return found.sort()
}

interface Packet {
  readonly tag: number
  readonly body: Buffer
  readonly end: number
}

function readPacket(keyring: Buffer, at: number): Packet | null {
  const head = keyring[at] ?? 0
  if ((head & 0x80) === 0) return null
  const first = keyring[at + 1] ?? 0
  const isNew = (head & 0x40) !== 0
  const tag = isNew ? head & 0x3f : (head >> 2) & 0x0f
  const [start, length] = isNew ? newLength(keyring, at, first) : oldLength(keyring, at, head)
  const end = start + length
  return length < 0 || end > keyring.length ? null : { tag, body: keyring.subarray(start, end), end }
}

/** Returns where the body begins, and its length; -1 for a length that no key has. */
function newLength(keyring: Buffer, at: number, first: number): [number, number] {
  if (first < 192) return [at + 2, first]
  if (first < 224) return [at + 3, (first - 192) * 256 + (keyring[at + 2] ?? 0) + 192]
  return first === 255 && keyring.length >= at + 6 ? [at + 6, keyring.readUInt32BE(at + 2)] : [at, -1]
}

function oldLength(keyring: Buffer, at: number, head: number): [number, number] {
  const bytes = [1, 2, 4][head & 3]
  return bytes === undefined || keyring.length < at + 1 + bytes
    ? [at, -1]
    : [at + 1 + bytes, keyring.readUIntBE(at + 1, bytes)]
}

function fingerprint(body: Buffer): string {
  const isLater = (body[0] ?? 0) > 4
  const head = Buffer.alloc(isLater ? 5 : 3)
  head.writeUInt8(isLater ? 0x95 + (body[0] ?? 0) : 0x99)
  if (isLater) head.writeUInt32BE(body.length, 1)
  else head.writeUInt16BE(body.length, 1)
  return createHash(isLater ? 'sha256' : 'sha1')
    .update(head)
    .update(body)
    .digest('hex')
    .toUpperCase()
}

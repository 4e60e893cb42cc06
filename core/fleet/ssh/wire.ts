/** Reads and writes the binary data types of SSH, RFC 4251 section 5: strings with a length, numbers, keys. */
import { createHash } from 'node:crypto'

/** Reads one value after the other; throws a RangeError where the data ends too soon. */
export class WireReader {
  /** Bytes that have been read. */
  offset = 0
  private readonly data: Buffer

  constructor(data: Buffer) {
    this.data = data
  }

  get done(): boolean {
    return this.offset >= this.data.length
  }

  uint32(): number {
    this.offset += 4
    return this.data.readUInt32BE(this.offset - 4)
  }

  uint64(): bigint {
    this.offset += 8
    return this.data.readBigUInt64BE(this.offset - 8)
  }

  string(): Buffer {
    const length = this.uint32()
    if (length > this.data.length - this.offset) throw new RangeError('the data ends too soon')
    this.offset += length
    return this.data.subarray(this.offset - length, this.offset)
  }

  text(): string {
    return this.string().toString('utf8')
  }
}

export function wireString(value: string | Buffer): Buffer {
  const data = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  return Buffer.concat([length, data])
}

/** Returns the type of a public key, such as `ssh-ed25519`; null where the data is not a key. */
export function keyType(key: Buffer): string | null {
  try {
    return new WireReader(key).text()
  } catch (thrown) {
    if (thrown instanceof RangeError) return null
    throw thrown
  }
}

/** Formats a fingerprint as `ssh-keygen -l` does. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** Defines a key that the program can offer to a host. */
import type { ParsedKey } from 'ssh2'

/** A key that can be offered to a host. */
export interface OfferedKey {
  readonly key: ParsedKey
  /** The name for messages. */
  readonly name: string
  sign(data: Buffer, hash: 'sha1' | 'sha256' | 'sha512' | undefined): Promise<Buffer>
}

/** Computes digests of contents, and shows contents that are no text. */
import { createHash } from 'node:crypto'

export function digestOfBytes(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Returns the text of a file; for bytes that are not UTF-8 text, their length and digest. */
export function textOrDigest(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!text.includes('\0') && Buffer.from(text, 'utf8').equals(bytes)) return text
  return `binary, ${bytes.length} bytes, sha256 ${digestOfBytes(bytes)}`
}

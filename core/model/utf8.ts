/** Decodes text of the user's files as UTF-8, and refuses other encodings, so that no character is replaced silently. */
import { ConvergeError } from './errors.ts'

/** Byte order marks of other encodings; the longer one first, since it begins with the shorter one. */
const otherMarks: readonly (readonly [encoding: string, mark: readonly number[]])[] = [
  ['UTF-32LE', [0xff, 0xfe, 0x00, 0x00]],
  ['UTF-32BE', [0x00, 0x00, 0xfe, 0xff]],
  ['UTF-16LE', [0xff, 0xfe]],
  ['UTF-16BE', [0xfe, 0xff]],
]

/**
 * The text of a file.
 * @param file as the user knows it, for the message
 * @throws NOT_UTF8 with the line, the column and the first byte that is not UTF-8, or the encoding that the file seems to have
 */
export function utf8Text(bytes: Buffer, file: string): string {
  const encoding = otherEncoding(bytes)
  if (encoding !== null)
    throw notUtf8(file, `${file} is encoded as ${encoding}, not as UTF-8`, {
      hint: `convert it: iconv -f ${encoding.slice(0, 6)} -t UTF-8 ${file}`,
    })
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  try {
    return decoder.decode(bytes)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw invalidByte(bytes, file)
  }
}

function otherEncoding(bytes: Buffer): string | null {
  const marked = otherMarks.find(([, mark]) => mark.every((byte, index) => bytes[index] === byte))
  if (marked !== undefined) return marked[0]
  // Without a mark: JSON and YAML begin with an ASCII character, and no text holds a zero byte.
  if (bytes.length >= 4 && bytes[0] === 0 && bytes[1] !== 0) return 'UTF-16BE'
  return bytes.length >= 4 && bytes[0] !== 0 && bytes[1] === 0 ? 'UTF-16LE' : null
}

function invalidByte(bytes: Buffer, file: string): ConvergeError {
  const offset = firstInvalid(bytes)
  const before = bytes.subarray(0, offset).toString('utf8')
  const line = before.split('\n').length
  const column = [...before.slice(before.lastIndexOf('\n') + 1)].length + 1
  const byte = `0x${(bytes[offset] ?? 0).toString(16).padStart(2, '0')}`
  return notUtf8(file, `${file} is not UTF-8: byte ${byte} at offset ${offset}`, {
    hint: `convert it, for example from Latin-1: iconv -f ISO-8859-1 -t UTF-8 ${file}`,
    line,
    column,
  })
}

/** Finds the first byte that decoding and encoding again changes. */
function firstInvalid(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'), 'utf8')
  let offset = 0
  while (offset < bytes.length && bytes[offset] === again[offset]) offset++
  // The replacement character may begin with the same byte as what it replaces.
  while (offset > 0 && ((bytes[offset] ?? 0) & 0xc0) === 0x80 && !isWhole(bytes.subarray(0, offset))) offset--
  return offset
}

function isWhole(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes)
}

function notUtf8(
  file: string,
  message: string,
  { hint, line, column }: { readonly hint: string; readonly line?: number; readonly column?: number },
): ConvergeError {
  const position = line === undefined ? {} : { line, column }
  return new ConvergeError(message, { code: 'NOT_UTF8', source: { file, ...position }, hint, usage: true })
}

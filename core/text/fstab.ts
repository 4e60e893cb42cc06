/** Writes and reads fields of fstab(5). */
import { requireText } from './writer.ts'

/** Returns one field; blanks, line breaks, backslashes and `#` are written as octal numbers. */
export function fstabField(text: string): string {
  requireText('fstab', text)
  return text.replace(/[\s\\#]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

/** Reads a field that `fstabField` or the kernel has written. */
export function parseFstabField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** Writes literals of Python. */
import { requireText } from './writer.ts'

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', "'": "\\'", '\\': '\\\\' }

/** Returns a text in single quotes, on one line. */
export function pythonString(text: string): string {
  requireText('Python', text)
  const escaped = text.replace(/[\u0000-\u001f\u007f-\u009f'\\\u2028\u2029]/g, (sign) => {
    const code = sign.codePointAt(0) ?? 0
    return escapes[sign] ?? (code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`)
  })
  return `'${escaped}'`
}

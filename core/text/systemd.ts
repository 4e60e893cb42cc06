/** Values of systemd's unit files: systemd.service(5), systemd.syntax(7). */
import { Inexpressible, requireLine, requireText } from './writer.ts'

const language = 'systemd'

const plain = /^[\w@+=:,./-]+$/

/**
 * A command line of ExecStart and its kin: neither quotes nor `%` and `$` mean anything in its words. systemd takes no
 * program with an odd path, so that a shell starts it.
 * @throws Inexpressible
 */
export function systemdCommand(argv: readonly string[]): string {
  const [program = ''] = argv
  const words = plain.test(program) ? argv : ['/bin/sh', '-c', 'exec "$0" "$@"', ...argv]
  return words.map(word).join(' ')
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function word(text: string): string {
  requireText(language, text)
  if (plain.test(text)) return text
  const escaped = text
    .replace(/[\\"]/g, '\\$&')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$')
    .replace(/[\n\r\t]/g, (sign) => escapes[sign] ?? sign)
  return `"${escaped}"`
}

/**
 * A path that is the whole value of an option.
 * @throws Inexpressible
 */
export function systemdPath(path: string): string {
  requireLine(language, path)
  if (/\s$|\\$/.test(path)) throw new Inexpressible(language, 'a path that ends in a blank or a backslash')
  return path.replaceAll('%', '%%')
}

/** Finds private keys and other secrets of several lines, in a text or in lines that arrive one by one. */
import type { Bounds } from './value_bounds.ts'

/** A key of 16,384 bits has so many lines in PEM. */
const longestKey = 220

/** Lines below which secrets follow. */
interface SecretLines {
  /** Lines to mask at most. */
  readonly count: number
  /** The line after the last one. */
  readonly end: RegExp
}

const dashedEnd = /-----END /
/** A line that may be the first one. */
const hint = /-----BEGIN |^Private-Lines|^<|<</m
const openVpnTag = /^<(?:tls-auth|tls-crypt|tls-crypt-v2|key|secret|auth-user-pass|pkcs12)>$/
const hereDocument = /(?<![\w.-])([\w.-]{1,80})[ \t=]{0,9}<<[-~]?["']?(\w{1,40})["']?[ \t]*$/

/**
 * Returns a function that decides for one line after the other whether it is part of such a secret.
 * @param isSecret whether the name before a here-document is secret
 */
export function secretLineFinder(isSecret: (name: string) => boolean): (line: string) => boolean {
  let left = 0
  let end = dashedEnd
  return (line) => {
    if (left > 0 && !end.test(line)) {
      left--
      return true
    }
    const lines = secretLinesBelow(line, isSecret)
    left = lines?.count ?? 0
    end = lines?.end ?? dashedEnd
    return false
  }
}

/** Returns the positions of the lines in a text. */
export function secretLines(text: string, isSecret: (name: string) => boolean): readonly Bounds[] {
  if (!hint.test(text)) return []
  const isPart = secretLineFinder(isSecret)
  const found: Bounds[] = []
  let start = 0
  for (const line of text.split('\n')) {
    if (isPart(line))
      found.push({ start: start + line.length - line.trimStart().length, end: start + line.trimEnd().length })
    start += line.length + 1
  }
  return found.filter((bounds) => bounds.end > bounds.start)
}

function secretLinesBelow(line: string, isSecret: (name: string) => boolean): SecretLines | null {
  if (/-----BEGIN (?:[A-Z0-9 ]{0,40}PRIVATE KEY|OpenVPN Static key)/.test(line))
    return dashedEnd.test(line) ? null : { count: longestKey, end: dashedEnd }
  // PuTTY's form of a key
  const putty = /^Private-Lines: (\d{1,3})$/.exec(line)
  if (putty !== null) return { count: Number(putty[1]), end: /[^\w+/=]/ }
  if (openVpnTag.test(line)) return { count: longestKey, end: /^<\// }
  if (!line.includes('<<')) return null
  const [, name = '', word = ''] = hereDocument.exec(line) ?? []
  return isSecret(name) ? { count: longestKey, end: new RegExp(`^[ \\t]*${word}[ \\t]*$`) } : null
}

/** Masks private keys and other secrets of several lines in lines that arrive one by one. */
import { openVpnTags } from './file_secrets.ts'
import { candidateName, hasSecretName } from './secret_names.ts'

const mask = '********'
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
const hereDocument = new RegExp(`(?<![\\w.-])(${candidateName})[ \\t=]{0,9}<<[-~]?["']?(\\w{1,40})["']?[ \\t]*$`, 'i')
const openVpnTag = new RegExp(`^<(?:${openVpnTags})>$`)

/** Returns a function that gives the masked line; null for a line outside such secrets. */
export function secretLineMask(): (line: string) => string | null {
  let left = 0
  let end = dashedEnd
  return (line) => {
    if (left > 0 && !end.test(line)) {
      left--
      return line.replaceAll(/\S.*/g, mask)
    }
    const lines = secretLinesBelow(line)
    left = lines?.count ?? 0
    end = lines?.end ?? dashedEnd
    return null
  }
}

function secretLinesBelow(line: string): SecretLines | null {
  if (/-----BEGIN (?:[A-Z0-9 ]{0,40}PRIVATE KEY|OpenVPN Static key)/.test(line))
    return dashedEnd.test(line) ? null : { count: longestKey, end: dashedEnd }
  // PuTTY's form of a key
  const putty = /^Private-Lines: (\d{1,3})$/.exec(line)
  if (putty !== null) return { count: Number(putty[1]), end: /[^\w+/=]/ }
  if (openVpnTag.test(line)) return { count: longestKey, end: /^<\// }
  if (!line.includes('<<')) return null
  const [, name = '', word = ''] = hereDocument.exec(line) ?? []
  return hasSecretName(name) ? { count: longestKey, end: new RegExp(`^[ \\t]*${word}[ \\t]*$`) } : null
}

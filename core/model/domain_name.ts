/** Decides which domain names of an app a web server can serve. */
import { domainToASCII } from 'node:url'

const labels = /^[\w-]{1,63}(\.[\w-]{1,63})*$/
const regularExpression = /^~[^\0-\x1f\x7f]+$/

/**
 * Returns what a web server expects instead of this name, which no request can match; null for a valid name. Valid are
 * host names, addresses, `*.example.com`, `.example.com`, `www.example.*`, and regular expressions that begin with `~`.
 */
export function expectedDomain(name: string): string | null {
  if (name.startsWith('~')) return regularExpression.test(name) ? null : "a regular expression on one line after '~'"
  if (name.trim() === '') return 'a host name'
  if (/\s/.test(name)) return 'a host name without blanks, one in each item of the list'
  const [, host = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/:?#]*)/i.exec(name) ?? []
  if (name.includes('://')) return `a host name without scheme and path${host === '' ? '' : `, such as ${host}`}`
  if (/[/?#@]/.test(name)) return 'a host name without a path or an account'
  if (/^\[[\da-f:.]+\]$/i.test(name)) return null
  if (/:\d+$/.test(name)) return 'a host name without a port'
  if (/[^\0-\x7f]/.test(name)) {
    const ascii = domainToASCII(name)
    return `a host name in ASCII${ascii === '' ? '' : `, such as ${ascii}`}`
  }
  if (name.endsWith('.')) return 'a host name without a dot at its end'
  const fixed = name.replace(/^(\*\.|\.)|\.\*$/, '')
  if (fixed.includes('*')) return "a host name with at most one '*', as its first or its last label"
  if (name.length > 253 || !labels.test(fixed))
    return 'a host name: labels of letters, digits and dashes, separated by single dots'
  return null
}

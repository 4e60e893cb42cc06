/**
 * Encodes and decodes the part of XML-RPC that supervisord uses.
 *
 * The parser is converge's own: the grammar is closed and small. Logs may contain control characters, which XML forbids
 * and supervisord nevertheless sends. A general XML parser would reject the whole response.
 */
import { ConvergeError } from '../../core/model/errors.ts'

export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value }

export type Answer = { readonly value: Value } | { readonly fault: { readonly code: number; readonly text: string } }

/** Returns the body of a request that calls `method`. */
export function encodeCall(method: string, parameters: readonly (string | number | boolean)[]): string {
  const list = parameters.map((value) => `<param><value>${encode(value)}</value></param>`).join('')
  return `<?xml version='1.0'?><methodCall><methodName>${escapeXml(method)}</methodName><params>${list}</params></methodCall>`
}

/**
 * Decodes the response to a call.
 * @throws SUPERVISOR_ANSWER for anything that is no XML-RPC
 */
export function decodeAnswer(text: string): Answer {
  return new Parser(text).answer()
}

function encode(value: string | number | boolean): string {
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`
  return typeof value === 'number' ? `<int>${value}</int>` : `<string>${escapeXml(value)}</string>`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return named[name] ?? whole
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}

/** The deepest nesting of values; supervisord uses four levels. */
const deepest = 50

class Parser {
  private position = 0
  private depth = 0

  constructor(private readonly text: string) {}

  answer(): Answer {
    this.take(/<\?xml[^>]*\?>/y)
    this.tag('<methodResponse>')
    if (!this.has('<fault>')) {
      this.tag('<params>', '<param>')
      const value = this.value()
      this.tag('</param>', '</params>', '</methodResponse>')
      return { value }
    }
    const fault = this.value()
    this.tag('</fault>', '</methodResponse>')
    if (typeof fault !== 'object' || fault === null || !('faultCode' in fault)) throw this.broken('a fault')
    return { fault: { code: Number(fault.faultCode), text: String(fault.faultString ?? '') } }
  }

  private value(): Value {
    if (++this.depth > deepest) throw this.broken('an answer without that many levels')
    this.tag('<value>')
    const value = this.valueInside()
    this.depth--
    return value
  }

  private valueInside(): Value {
    // Checked before blanks are skipped: without an element, the whole text, with its blanks, is the value.
    const bare = this.take(/([^<]*)<\/value>/y, false)
    if (bare) return unescapeXml(bare[1] ?? '')
    const value = this.typed()
    this.tag('</value>')
    return value
  }

  private typed(): Value {
    const scalar = this.take(/<(string|int|i4|double|boolean|dateTime\.iso8601|base64)>([^<]*)<\/\1>/y)
    if (scalar) return parseScalar(scalar[1] ?? '', scalar[2] ?? '')
    if (this.has('<nil/>')) return null
    if (this.has('<struct>')) return this.struct()
    if (!this.has('<array>')) throw this.broken('a value')
    this.tag('<data>')
    const items: Value[] = []
    while (!this.has('</data>')) items.push(this.value())
    this.tag('</array>')
    return items
  }

  private struct(): Value {
    const members: [string, Value][] = []
    while (!this.has('</struct>')) {
      this.tag('<member>')
      const name = this.take(/<name>([^<]*)<\/name>/y)
      if (!name) throw this.broken('a name')
      members.push([unescapeXml(name[1] ?? ''), this.value()])
      this.tag('</member>')
    }
    return Object.fromEntries(members)
  }

  private has(tag: string): boolean {
    const at = this.afterBlanks()
    if (!this.text.startsWith(tag, at)) return false
    this.position = at + tag.length
    return true
  }

  private tag(...tags: readonly string[]): void {
    for (const tag of tags) if (!this.has(tag)) throw this.broken(tag)
  }

  private take(pattern: RegExp, skipBlanks = true): RegExpExecArray | null {
    pattern.lastIndex = skipBlanks ? this.afterBlanks() : this.position
    const found = pattern.exec(this.text)
    if (found) this.position = pattern.lastIndex
    return found
  }

  private afterBlanks(): number {
    let at = this.position
    while (' \t\r\n'.includes(this.text[at] ?? '.')) at++
    return at
  }

  private broken(expected: string): ConvergeError {
    const found = this.text.slice(this.position, this.position + 40).trim()
    return new ConvergeError(`the answer is not XML-RPC: expected ${expected}, not ${JSON.stringify(found)}`, {
      code: 'SUPERVISOR_ANSWER',
      hint: 'set the socket to file of [unix_http_server] in the configuration of supervisord',
    })
  }
}

function parseScalar(type: string, text: string): Value {
  if (type === 'boolean') return text.trim() === '1'
  if (type === 'int' || type === 'i4' || type === 'double') return Number(text)
  return type === 'base64' ? Buffer.from(text, 'base64').toString('utf8') : unescapeXml(text)
}

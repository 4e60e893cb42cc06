/** Turns attribute values into single lines of text, and collects their problems. */
import { ConvergeError, throwProblems } from '../../core/model/errors.ts'
import { refusalOf, type Writer } from '../../core/text/writer.ts'

// All control characters except the tab: a line break would end the option, the others are invalid in a configuration.
const unprintable = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** Decides whether an attribute is set: null, false and the empty string mean that it is not. */
export function isSet<T>(value: T | null | undefined | false | ''): value is T {
  return value !== null && value !== undefined && value !== false && value !== ''
}

/** Reads attributes one by one; `check` throws all problems together. Messages never contain values. */
export class AttributeReader {
  private readonly problems: ConvergeError[] = []

  /**
   * Returns a value as one trimmed line; null and undefined are empty.
   * @param key path of the value for errors, e.g. `plone_instances.zeo.address`
   */
  line(key: string, value: unknown): string {
    if (value === null || value === undefined) return ''
    if (typeof value === 'object' || typeof value === 'function') {
      this.refuse(key, 'has to be a text or a number', 'give a single value')
      return ''
    }
    const text = String(value).trim()
    if (!unprintable.test(text)) return text
    this.refuse(key, 'contains a line break or a control character', 'give the value on one line')
    return ''
  }

  /** Returns a line of a buildout list, in which `#` and `;` would start a comment. */
  buildoutLine(key: string, value: unknown): string {
    const text = this.line(key, value)
    if (/^[#;]/.test(text)) this.refuse(key, 'begins a comment in buildout', 'give a name without # or ; at its start')
    return text
  }

  /** Applies `buildoutLine` to each item of a list; leaves out empty ones. */
  buildoutLines(key: string, value: unknown): string[] {
    const items = this.lines(key, value)
    for (const [index, item] of items.entries()) this.buildoutLine(`${key}[${index}]`, item)
    return items
  }

  /** Returns the items of a list, or of a string split at `separator`; leaves out empty ones. */
  lines(key: string, value: unknown, separator?: string): string[] {
    if (value === null || value === undefined) return []
    if (Array.isArray(value)) {
      const items = value.map((item: unknown, index) => this.line(`${key}[${index}]`, item))
      return items.filter((item) => item !== '')
    }
    if (separator !== undefined && typeof value === 'string') return this.lines(key, value.split(separator))
    this.refuse(key, 'has to be a list', 'write it as ["…", "…"]')
    return []
  }

  /** Returns a number of at least 0; `fallback` if it is not set. */
  number(key: string, value: unknown, fallback: number): number {
    if (!isSet(value)) return fallback
    const number = typeof value === 'string' ? Number(value) : value
    if (typeof number === 'number' && Number.isFinite(number) && number >= 0) return number
    this.refuse(key, 'has to be a number from 0 up', 'give a number')
    return fallback
  }

  /**
   * Returns a value in the notation of a configuration language, with blanks at its ends; null and undefined are empty.
   * @param writes writer of the language; its refusals are reported with the key
   */
  written(key: string, value: unknown, writes: Writer): string {
    if (typeof value === 'object' && value !== null) {
      this.refuse(key, 'has to be a text or a number', 'give a single value')
      return ''
    }
    const text = textOf(value)
    const refusal = refusalOf(writes, text)
    if (refusal === null) return writes(text)
    this.refuse(key, `cannot be written: ${refusal.message}`, 'change the value, or have the app read it from a file')
    return ''
  }

  /** Does the same as `written` for a name or an address, without blanks at its ends. */
  writtenLine(key: string, value: unknown, writes: Writer): string {
    return this.written(key, this.line(key, value), writes)
  }

  refuse(key: string, why: string, hint: string): void {
    const message = `${key} ${why}`
    // Several files may use the same attribute: report it once.
    if (!this.problems.some((problem) => problem.message === message))
      this.problems.push(new ConvergeError(message, { code: 'INVALID_ATTRIBUTE', attribute: key, hint, usage: true }))
  }

  /** Throws the problems found so far, if any, as one error. */
  check(): void {
    throwProblems(this.problems, 'attributes that cannot be used as they are')
  }
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value)
}

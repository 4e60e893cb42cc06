/** Turns attribute values into single lines of text, and gathers all that is wrong with them. */
import { ConvergeError, throwProblems } from '../../core/model/errors.ts'

// All control characters but the tab: a line break would end the option, the rest has no place in a configuration.
const unprintable = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** Whether an attribute says something: null, false and the empty string are the ways to leave one unset. */
export function isSet<T>(value: T | null | undefined | false | ''): value is T {
  return value !== null && value !== undefined && value !== false && value !== ''
}

/** Reads attributes one by one; `check` throws what was found wrong, all at once. Values are never shown. */
export class Values {
  private readonly problems: ConvergeError[] = []

  /**
   * A value as one trimmed line; null and undefined are empty.
   * @param key where the value stands, e.g. `plone_instances.zeo.address`; named in the error
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

  /** The items of a list, or of one string with items parted by `separator`; empty ones are left out. */
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

  /** A number from 0 up; what is not set is `fallback`. */
  number(key: string, value: unknown, fallback: number): number {
    if (!isSet(value)) return fallback
    const number = typeof value === 'string' ? Number(value) : value
    if (typeof number === 'number' && Number.isFinite(number) && number >= 0) return number
    this.refuse(key, 'has to be a number from 0 up', 'give a number')
    return fallback
  }

  refuse(key: string, why: string, hint: string): void {
    const message = `${key} ${why}`
    // Several files may be made of one attribute.
    if (!this.problems.some((problem) => problem.message === message))
      this.problems.push(new ConvergeError(message, { code: 'INVALID_ATTRIBUTE', hint, usage: true }))
  }

  /** Throws the problems found so far, if any, as one error. */
  check(): void {
    throwProblems(this.problems, 'attributes that cannot be used as they are')
  }
}

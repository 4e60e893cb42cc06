/** Writes attributes in the notation of configuration files, and collects their problems. */
import { ConvergeError, throwProblems } from '../../core/model/errors.ts'
import { refusalOf, type Writer } from '../../core/text/writer.ts'

/** An attribute with a single value. */
export type AttributeValue = string | number | boolean | null | undefined

/** Decides whether an attribute is set: null, false and the empty string mean that it is not. */
export function isSet<T>(value: T | null | undefined | false | ''): value is T {
  return value !== null && value !== undefined && value !== false && value !== ''
}

/** Writes attributes one by one; `check` throws all problems together. Messages never contain values. */
export class AttributeWriter {
  private readonly problems: ConvergeError[] = []

  /**
   * Returns a value in the notation of a configuration language, with blanks at its ends; null and undefined are empty.
   * @param key path of the value for errors, e.g. `plone_instances.zeo.address`
   * @param writer writer of the language; its refusals are reported with the key
   */
  written(key: string, value: AttributeValue, writer: Writer): string {
    const text = value === null || value === undefined ? '' : String(value)
    const refusal = refusalOf(writer, text)
    if (refusal === null) return writer(text)
    this.refuse(key, `cannot be written: ${refusal.message}`, 'change the value, or have the app read it from a file')
    return ''
  }

  /** Does the same as `written` for a name or an address, without blanks at its ends. */
  writtenLine(key: string, value: AttributeValue, writer: Writer): string {
    return this.written(key, typeof value === 'string' ? value.trim() : value, writer)
  }

  refuse(key: string, reason: string, hint: string): void {
    const message = `${key} ${reason}`
    // Several files may use the same attribute: report it once.
    if (!this.problems.some((problem) => problem.message === message))
      this.problems.push(new ConvergeError(message, { code: 'INVALID_ATTRIBUTE', attribute: key, hint, usage: true }))
  }

  /** Throws the problems found so far, if any, as one error. */
  check(): void {
    throwProblems(this.problems, 'attributes that cannot be used as they are')
  }
}

/** Durations and sizes as types of their own, so that every number has a unit. */
import * as z from 'zod'

/**
 * A span of time; make one with `seconds(60)`, `minutes(30)`, `milliseconds(5)`. `_Notation` exists for the message of the
 * compiler: the number 60 is "not assignable to type Duration<"seconds(60) or minutes(5)">".
 */
export class Duration<_Notation extends string = 'seconds(60) or minutes(5)'> {
  constructor(readonly ms: number) {}

  /** Milliseconds for a timer of Node.js, which fires at once if it is given more than 24 days. */
  get timer(): number {
    return Math.min(this.ms, 2 ** 31 - 1)
  }

  toString(): string {
    if (this.ms < 1000) return `${this.ms} ms`
    if (this.ms % 60_000 === 0 && this.ms >= 120_000) return `${this.ms / 60_000} min`
    return `${this.ms / 1000} s`
  }
  toJSON(): string {
    return this.toString()
  }
}

/** Returns a duration of this many milliseconds: `milliseconds(500)`. */
export const milliseconds = (n: number): Duration => durationOf(n, 1)
/** Returns a duration of this many seconds: `timeout: seconds(60)`. */
export const seconds = (n: number): Duration => durationOf(n, 1000)
/** Returns a duration of this many minutes: `timeout: minutes(5)`. */
export const minutes = (n: number): Duration => durationOf(n, 60_000)

function durationOf(count: number, unitMs: number): Duration {
  const shown = typeof count === 'number' ? String(count) : `the ${typeof count} ${JSON.stringify(count)}`
  if (!Number.isFinite(count) || count < 0) throw new RangeError(`a duration must be a number from 0 up, got ${shown}`)
  return new Duration(count * unitMs)
}

/** A property that takes a duration. */
export const duration: z.ZodType<Duration, Duration> = z.instanceof(Duration, {
  error: 'a duration, such as seconds(60) or minutes(5)',
})

/** Decides whether Linux accepts the lengths of a path and its names. */
function isShortPath(path: string): boolean {
  return Buffer.byteLength(path) <= 4095 && path.split('/').every((name) => Buffer.byteLength(name) <= 255)
}

/** A property that takes the beginning of an absolute path; a slash at its end counts. */
export const absolutePathPrefix = z
  .string()
  .refine((path) => path.startsWith('/') && !path.includes('\0'), { error: 'an absolute path' })
  .refine(isShortPath, { error: 'an absolute path of at most 4095 bytes, whose names have at most 255', abort: true })
  .refine((path) => !/(^|\/)\.{1,2}(\/|$)/.test(path), { error: "an absolute path without '.' or '..' parts" })

/** A property that takes an absolute path without `.` or `..` parts. */
export const absolutePath = absolutePathPrefix
  // Two spellings of one path would be two resources, which overwrite each other.
  .overwrite((path) => path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, ''))

/** A property that takes a text without NUL characters, which end texts in arguments, variables and links. */
export const systemText = z.string().refine((text) => !text.includes('\0'), { error: 'text without NUL characters' })

/** A property that takes a file mode as four octal digits, e.g. `0640`. */
export const fileMode = z.string().regex(/^[0-7]{4}$/, { error: "a mode as four octal digits, e.g. '0640'" })

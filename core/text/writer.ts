/** The interface of writers of configuration languages: each writes a text, or refuses it with a reason. */

/** Thrown for a text that a language cannot express. The reason never repeats the text, which may be a secret. */
export class Inexpressible extends Error {
  override readonly name = 'Inexpressible'

  constructor(
    /** The language as an operator knows it, such as `supervisor`. */
    readonly language: string,
    /** Completes "<language> cannot hold ...". */
    readonly reason: string,
  ) {
    super(`${language} cannot hold ${reason}`)
  }
}

/** Writes one text so that its reader reads back the same text. */
export type Writer = (text: string) => string

/** Why a writer refuses a text; null where it does not. */
export function refusalOf(write: Writer, text: string): Inexpressible | null {
  try {
    write(text)
    return null
  } catch (thrown) {
    if (thrown instanceof Inexpressible) return thrown
    throw thrown
  }
}

/** Half of a character of UTF-16: UTF-8 has no way to write it. */
const halfCharacter = /\p{Surrogate}/u

/**
 * @throws Inexpressible for what no file and no process environment can carry: NUL, and half a character
 */
export function requireText(language: string, text: string): void {
  if (text.includes('\0')) throw new Inexpressible(language, 'a NUL character')
  if (halfCharacter.test(text)) throw new Inexpressible(language, 'half of a UTF-16 surrogate pair')
}

/**
 * @throws Inexpressible as `requireText`, and for a text of several lines
 */
export function requireLine(language: string, text: string): void {
  requireText(language, text)
  if (/[\r\n]/.test(text)) throw new Inexpressible(language, 'a line break')
}

/** Characters that Python's `str.strip` removes from both ends of a text. */
export const pythonSpace = '\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

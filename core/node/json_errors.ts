/** Explains errors of JSON syntax without the words of the file, which may be a password. */
import { type ParseError, printParseErrorCode } from 'jsonc-parser'

/** Returns a message about the error. */
export function explainJsonError({ error, offset, length }: ParseError, text: string): string {
  const name = printParseErrorCode(error)
  const word = text.slice(offset, offset + length)
  if (name === 'InvalidSymbol' && Object.hasOwn(wordsFor, word))
    return `${word} is not a JSON literal: write ${wordsFor[word]}`
  if (
    name === 'CommaExpected' &&
    /[^\w.]-?0$/.test(text.slice(Math.max(0, offset - 3), offset)) &&
    /^[\dxXoObB]/.test(word)
  )
    return 'a number with a leading zero: write it in quotes if it is a text'
  if (name === 'InvalidSymbol' && word.startsWith("'")) return 'single quotes: JSON requires double quotes'
  // The text may be a password without its quotes, so repeat punctuation only.
  const near = /^[^\w\s]{1,3}$/.test(word) ? ` at ${word}` : ''
  return `${messages[name] ?? 'invalid JSON'}${near}`
}

const wordsFor: Readonly<Record<string, string>> = {
  True: 'true',
  False: 'false',
  None: 'null',
  nil: 'null',
  undefined: 'null',
  yes: 'true',
  no: 'false',
}

const messages: Readonly<Partial<Record<string, string>>> = {
  InvalidSymbol: 'a word without quotes: keys and texts require double quotes',
  InvalidNumberFormat: 'invalid JSON number',
  PropertyNameExpected: 'a key in double quotes is expected',
  ValueExpected: 'a value is expected',
  ColonExpected: 'a colon is missing between key and value',
  CommaExpected: 'a comma is missing',
  CloseBraceExpected: 'a closing brace } is missing',
  CloseBracketExpected: 'a closing bracket ] is missing',
  EndOfFileExpected: 'unexpected text after the end of the document',
  InvalidCommentToken: 'a comment is not allowed here',
  UnexpectedEndOfComment: 'a comment is not closed',
  UnexpectedEndOfString: 'the closing quote of a text is missing',
  UnexpectedEndOfNumber: 'an incomplete number',
  InvalidUnicode: 'not a \\u escape of four hexadecimal digits',
  InvalidEscapeCharacter: 'an unknown escape after a backslash',
  InvalidCharacter: 'a control character in a text: write \\n or \\t',
}

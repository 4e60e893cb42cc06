/** Defines the form of a pattern that finds a secret by its position in a text. */

/** A pattern whose first group ends where the value begins. */
export interface SecretPattern {
  readonly pattern: RegExp
  readonly value: number
  /** The group of the name that decides; null where every such value is secret. */
  readonly name: number | null
}

/** Patterns that are tried only where the hint matches: a run masks each line that a build prints. */
export interface SecretPatternGroup {
  readonly hint: RegExp
  readonly patterns: readonly SecretPattern[]
}

/** Returns a pattern whose second group is a secret, whatever its name is. */
export function always(source: string, flags = 'g'): SecretPattern {
  return { pattern: new RegExp(source, flags), value: 2, name: null }
}

/** Returns a pattern whose second group is the name, and the third the value: a secret if the name is that of one. */
export function byName(source: string, flags = 'gi'): SecretPattern {
  return { pattern: new RegExp(source, flags), value: 3, name: 2 }
}

export const quotedOrWord = `"[^"\\n]*"|'[^'\\n]*'|["']?[^\\s"']+`
export const quoted = `"[^"\\n]*"|'[^'\\n]*'`

/** The patterns of ssh_config(5) and known_hosts: `*`, `?`, and `!` before what is not meant. */

/** Whether one pattern without `!` fits the whole text. */
export function fits(pattern: string, text: string, { caseSensitive = false } = {}): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, caseSensitive ? 's' : 'is').test(text)
}

/** Whether a list of patterns means a text: one that fits is needed, and none that fits may be negated. */
export function fitsAny(patterns: readonly string[], text: string, options: { caseSensitive?: boolean } = {}): boolean {
  const negated = patterns.filter((pattern) => pattern.startsWith('!'))
  if (negated.some((pattern) => fits(pattern.slice(1), text, options))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern, text, options))
}

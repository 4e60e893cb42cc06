/** Matches the patterns of ssh_config(5) and known_hosts: `*`, `?`, and `!` for exclusions. */

/** Decides whether one pattern without `!` matches the whole text. */
export function matchesPattern(pattern: string, text: string, { caseSensitive = false } = {}): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, caseSensitive ? 's' : 'is').test(text)
}

/** Decides whether a list of patterns matches a text: one must match, and no negated one may match. */
export function matchesPatterns(
  patterns: readonly string[],
  text: string,
  options: { caseSensitive?: boolean } = {},
): boolean {
  const negated = patterns.filter((pattern) => pattern.startsWith('!'))
  if (negated.some((pattern) => matchesPattern(pattern.slice(1), text, options))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(pattern, text, options))
}

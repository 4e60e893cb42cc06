/** Groups texts of many hosts that differ only in details: the host's name and address, times, and release numbers. */

export type Addresses = Readonly<Record<string, string>>

export interface HostText {
  readonly host: string
  /** The text to compare. */
  readonly text: string
}

/**
 * Groups texts without a loss: first equal texts, then texts that are equal apart from the host's own name and address.
 * @param leaveOut removes from a text what may differ; default: nothing
 * @returns in the order of the first members
 */
export function groupSimilar<T extends HostText>(
  texts: readonly T[],
  addresses: Addresses,
  leaveOut: (text: string) => string = String,
): T[][] {
  const same = [...groupBy(texts, ({ text }) => leaveOut(text)).values()]
  const merged = groupBy(same, ([first, ...more]) => {
    if (first === undefined) return ''
    // When several hosts give the same text, a name in it does not belong to one of them.
    return leaveOut(more.some(({ host }) => host !== first.host) ? first.text : withoutOwnNames(first, addresses))
  })
  return [...merged.values()].map((groups) => groups.flat())
}

function groupBy<T>(texts: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of texts) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group) group.push(one)
    else groups.set(key, [one])
  }
  return groups
}

function withoutOwnNames({ host, text }: HostText, addresses: Addresses): string {
  const address = addresses[host]
  const named = host === '' ? text : text.replace(wholeWord(host), '<host>')
  return address === undefined || address === '' ? named : named.replace(wholeWord(address), '<address>')
}

function wholeWord(name: string): RegExp {
  return new RegExp(`(?<![\\w-])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`, 'g')
}

/** Removes release numbers, because each host counts its releases on its own. */
export function withoutNumbers(text: string): string {
  return text.replace(/\b\d{6,}-([0-9a-f]{8})\b/g, '<number>-$1')
}

/** Removes values that differ between runs: times, releases, processes, amounts, temporary names. */
export function withoutTimes(text: string): string {
  return withoutNumbers(text)
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?/g, '<time>')
    .replace(/\b(process|pid|PID) \d+/g, '$1 <number>')
    .replace(/\b\d+(?:\.\d+)? ?(?:ms|s|min|kB|MB|GB|bytes)\b/g, '<amount>')
    .replace(/\/tmp\/[\w.-]+/g, '/tmp/<name>')
}

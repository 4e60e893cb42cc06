/** Tells what is the same on many hosts, but for what is each host's own: its name, its address, and in messages times and the like. */

export type Addresses = Readonly<Record<string, string>>

export interface Said {
  readonly host: string
  /** What tells it from others. */
  readonly text: string
}

/**
 * Groups that lose none of what is given: what says the very same first, then what says the same of another host.
 * @param leaveOut takes out of a text what may differ; default: nothing
 * @returns in the order of their first ones
 */
export function alike<T extends Said>(
  given: readonly T[],
  addresses: Addresses,
  leaveOut: (text: string) => string = String,
): T[][] {
  const same = [...grouped(given, ({ text }) => leaveOut(text)).values()]
  const merged = grouped(same, ([first, ...more]) => {
    if (first === undefined) return ''
    // Said by several hosts alike, a name in it is not the speaker's own.
    return leaveOut(more.some(({ host }) => host !== first.host) ? first.text : ownLeftOut(first, addresses))
  })
  return [...merged.values()].map((groups) => groups.flat())
}

function grouped<T>(given: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of given) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group) group.push(one)
    else groups.set(key, [one])
  }
  return groups
}

function ownLeftOut({ host, text }: Said, addresses: Addresses): string {
  const address = addresses[host]
  const named = host === '' ? text : text.replace(whole(host), '<host>')
  return address === undefined || address === '' ? named : named.replace(whole(address), '<address>')
}

function whole(name: string): RegExp {
  return new RegExp(`(?<![\\w-])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`, 'g')
}

/** Each host counts its releases by itself. */
export function withoutNumbers(text: string): string {
  return text.replace(/\b\d{6,}-([0-9a-f]{8})\b/g, '<number>-$1')
}

/** What differs from one time to another: times, releases, processes, amounts, temporary names. */
export function withoutTimes(text: string): string {
  return withoutNumbers(text)
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?/g, '<time>')
    .replace(/\b(process|pid|PID) \d+/g, '$1 <number>')
    .replace(/\b\d+(?:\.\d+)? ?(?:ms|s|min|kB|MB|GB|bytes)\b/g, '<amount>')
    .replace(/\/tmp\/[\w.-]+/g, '/tmp/<name>')
}

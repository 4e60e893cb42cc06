/** Tells what is the same on many hosts, but for what is each host's own: its name, its address, times and numbers of processes. */

export type Addresses = Readonly<Record<string, string>>

export interface Said {
  readonly host: string
  /** What tells it from others. */
  readonly text: string
}

/**
 * Groups that lose none of what is given: what says the very same first, then what says the same of another host.
 * @returns in the order of their first ones
 */
export function alike<T extends Said>(given: readonly T[], addresses: Addresses): T[][] {
  const same = [...grouped(given, ({ text }) => volatile(text)).values()]
  const merged = grouped(same, ([first, ...more]) => {
    if (first === undefined) return ''
    // Said by several hosts alike, a name in it is not the speaker's own.
    return volatile(new Set(more.map(({ host }) => host)).size > 0 ? first.text : ownLeftOut(first, addresses))
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
  const own = [host, addresses[host]].filter((name) => name !== undefined && name !== '')
  return own.reduce<string>((rest, name) => rest.replace(whole(name as string), '<host>'), text)
}

function whole(name: string): RegExp {
  return new RegExp(`(?<![\\w-])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`, 'g')
}

/** Times, releases named by a time, processes, durations, temporary names. */
function volatile(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?/g, '<time>')
    .replace(/\b\d{8}[T-]?\d{6}\w*/g, '<time>')
    .replace(/\b(process|pid|PID) \d+/g, '$1 <number>')
    .replace(/\b\d+(?:\.\d+)? ?(?:ms|s|min|kB|MB|GB|bytes)\b/g, '<amount>')
    .replace(/\/tmp\/[\w.-]+/g, '/tmp/<name>')
}

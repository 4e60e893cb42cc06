/** Shortens lists of host names: `client[1-12,15], db`. */
import { oneLine } from './text.ts'

interface Numbered {
  readonly head: string
  readonly digits: string
  readonly tail: string
}

/** Up to this number, names are written out. */
const maxWrittenOut = 3

/**
 * Describes a list of names.
 * @param names a name without a number, or with characters of the range syntax, stays as it is
 * @returns the names in their order, with ranges for those that differ only in a number
 */
export function describeNames(names: readonly string[]): string {
  const one = [...new Set(names)]
  return one.length <= maxWrittenOut ? one.map(oneLine).join(', ') : ranges(one).map(oneLine).join(', ')
}

/** Combines names that differ only in a number to one name with ranges. */
export function ranges(names: readonly string[]): string[] {
  const groups = new Map<string, Numbered[]>()
  for (const name of new Set(names)) {
    const numbered = numberIn(name)
    // With leading zeros, `01` is not the same name as `1`.
    const padding = numbered.digits.startsWith('0') && numbered.digits !== '0' ? numbered.digits.length : 0
    const key = numbered.digits === '' ? JSON.stringify(name) : JSON.stringify([numbered.head, numbered.tail, padding])
    groups.set(key, [...(groups.get(key) ?? []), numbered])
  }
  return mergePadded([...groups.values()]).map(describe)
}

/** Merges groups such as `08`, `09` and `10`: numbers without leading zeros join those with as many digits. */
function mergePadded(groups: readonly Numbered[][]): Numbered[][] {
  const result: Numbered[][] = []
  for (const group of groups) {
    const [first] = group
    const padded = result.find(
      ([other]) =>
        first !== undefined &&
        other !== undefined &&
        first.digits !== '' &&
        other.head === first.head &&
        other.tail === first.tail &&
        sameLength([...group, other]) &&
        [first, other].some(({ digits }) => digits.startsWith('0')),
    )
    if (padded && sameLength(padded)) padded.push(...group)
    else result.push([...group])
  }
  return result
}

function sameLength(group: readonly Numbered[]): boolean {
  return new Set(group.map(({ digits }) => digits.length)).size === 1
}

function describe(group: readonly Numbered[]): string {
  const [first] = group
  if (first === undefined) return ''
  if (group.length === 1) return `${first.head}${first.digits}${first.tail}`
  const sorted = [...group].sort((a, b) => Number(a.digits) - Number(b.digits))
  const parts: [string, string][] = []
  for (const { digits } of sorted) {
    const last = parts.at(-1)
    if (last && Number(last[1]) + 1 === Number(digits)) last[1] = digits
    else parts.push([digits, digits])
  }
  const text = parts.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(',')
  return `${first.head}[${text}]${first.tail}`
}

/** Finds the last number in the first label of the name; the domain after the dot is the same for all hosts. */
function numberIn(name: string): Numbered {
  const [, head = '', digits = '', tail = ''] = /^([^.[\],]*?)(\d{1,15})([^\d.[\],]*(?:\.[^[\],]*)?)$/.exec(name) ?? []
  return digits === '' ? { head: name, digits: '', tail: '' } : { head, digits, tail }
}

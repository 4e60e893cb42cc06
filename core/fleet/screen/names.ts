/** Names of many hosts in few words: `client[1-12,15], db`. */
import { oneLine } from './text.ts'

interface Numbered {
  readonly head: string
  readonly digits: string
  readonly tail: string
}

/** Up to so many names are written out. */
const few = 3

/**
 * @param names each stands for itself where it has no number, or signs that a range is written with
 * @returns the names in their order, those that differ only in a number together
 */
export function describeNames(names: readonly string[]): string {
  const one = [...new Set(names)]
  return one.length <= few ? one.map(oneLine).join(', ') : ranges(one).map(oneLine).join(', ')
}

/** The names, those alike but for a number as one with ranges. */
export function ranges(names: readonly string[]): string[] {
  const groups = new Map<string, Numbered[]>()
  for (const name of new Set(names)) {
    const numbered = numberIn(name)
    // With zeros before it, `01` is not the same name as `1`.
    const padding = numbered.digits.startsWith('0') && numbered.digits !== '0' ? numbered.digits.length : 0
    const key = numbered.digits === '' ? JSON.stringify(name) : JSON.stringify([numbered.head, numbered.tail, padding])
    groups.set(key, [...(groups.get(key) ?? []), numbered])
  }
  return mergePadded([...groups.values()]).map(describe)
}

/** `08`, `09` and `10` belong together: those without zeros join those that have as many digits. */
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

/** The last number in the first part of the name: what comes after the dot is a domain, and the same for all. */
function numberIn(name: string): Numbered {
  const [, head = '', digits = '', tail = ''] = /^([^.[\],]*?)(\d{1,15})([^\d.[\],]*(?:\.[^[\],]*)?)$/.exec(name) ?? []
  return digits === '' ? { head: name, digits: '', tail: '' } : { head, digits, tail }
}

/** Parses and resolves a number of hosts, or a percentage of them. */
import { ConvergeError } from '../../model/errors.ts'

/** A number of hosts, or a percentage of them. */
export type HostCount = { readonly count: number } | { readonly percent: number }

/** The numbers of hosts that an option accepts: at least `min`; with `allowsPercent` also a percentage. */
export interface HostCountRange {
  readonly min: number
  readonly allowsPercent: boolean
}

/**
 * @param option name of the option, for the error
 * @throws USAGE where the text is neither `3` nor, if that is allowed, `25%`
 */
export function parseHostCount(text: string, option: string, { min, allowsPercent }: HostCountRange): HostCount {
  const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(text) ?? []
  const number = Number(digits)
  if (digits !== undefined && number >= min && !(percent && (!allowsPercent || number > 100)))
    return percent ? { percent: number } : { count: number }
  throw new ConvergeError(
    `--${option} takes a number of hosts from ${min} up${allowsPercent ? ', or a share of them' : ''}, not ${text}`,
    {
      code: 'USAGE',
      hint: `for example --${option} ${allowsPercent ? `2 or --${option} 25%` : '10'}`,
      usage: true,
    },
  )
}

/** Returns the number of hosts. Percentages are rounded down: 25% of five hosts is one. */
export function resolveHostCount(hostCount: HostCount, total: number, min: number): number {
  const requested = 'count' in hostCount ? hostCount.count : Math.floor((total * hostCount.percent) / 100)
  return Math.max(min, Math.min(requested, total))
}

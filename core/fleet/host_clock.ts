/** Compares the clock of a host with the operator's. */
import { elapsed } from './screen/text.ts'

/** Milliseconds. */
const maxDifference = 5_000

/** When the operator asked a host, and when the answer came. Milliseconds since 1970. */
export interface AnswerTimes {
  readonly askedAt: number
  readonly answeredAt: number
}

/**
 * Finds a clock that differs from the operator's by more than five seconds. The time of the answer itself does not
 * count: the host may have read its clock at any moment of it.
 * @param hostTime what the host sent as the time, ISO 8601
 * @returns null if the clocks agree, or the host sent no time
 */
export function clockProblem(
  hostTime: unknown,
  { askedAt, answeredAt }: AnswerTimes,
): { readonly detail: string; readonly remedy: string } | null {
  const time = typeof hostTime === 'string' ? Date.parse(hostTime) : Number.NaN
  const [ahead, behind] = [time - answeredAt, askedAt - time]
  if (!(Math.max(ahead, behind) > maxDifference)) return null
  const difference = ahead > 0 ? `${elapsed(ahead)} ahead of` : `${elapsed(behind)} behind`
  return {
    detail: `its clock is ${difference} the clock of this computer; certificates, one-time passwords, git, and the order of records need clocks that agree within 5 s`,
    remedy: 'synchronize the wrong one: run timedatectl set-ntp true, or install chrony',
  }
}

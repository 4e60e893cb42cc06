/** Renders the cron jobs that replace systemd's units on hosts without systemd, or for ordinary users. */
import type { HookOptions } from '../../core/cli/catalogue.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { shellWords } from '../../core/text/shell.ts'

export const setupJob = 'converge-setup'
export const configureJob = 'converge-configure'

export function jobs(
  options: HookOptions,
): { readonly name: string; readonly schedule: string; readonly command: string }[] {
  const { commands, stamp, interval, jitter } = options
  const done = shellWords([stamp])
  const pause = jitter < 1 ? '' : `sleep $(shuf -i 0-${Math.round(jitter)} -n 1); `
  return [
    {
      name: setupJob,
      schedule: '@reboot',
      command: `[ -e ${done} ] || { ${shellWords(commands.setup)} && touch ${done}; }`,
    },
    {
      name: configureJob,
      schedule: scheduleOf(interval),
      command: `${pause}${shellWords(commands.configure)}`,
    },
  ]
}

/**
 * Converts an interval to a schedule: minutes must divide an hour, and hours a day.
 * @throws INVALID_INTERVAL
 */
function scheduleOf(seconds: number): string {
  const minutes = seconds / 60
  if (minutes === 1) return '* * * * *'
  if (Number.isInteger(minutes) && minutes < 60 && 60 % minutes === 0) return `*/${minutes} * * * *`
  const hours = minutes / 60
  if (hours === 1) return '0 * * * *'
  if (hours === 24) return '0 0 * * *'
  if (Number.isInteger(hours) && hours < 24 && 24 % hours === 0) return `0 */${hours} * * *`
  throw new ConvergeError(`cron has no interval of ${seconds} s`, {
    code: 'INVALID_INTERVAL',
    hint: 'set --interval to a time that divides an hour or a day evenly, such as 1m, 5m, 10m, 15m, 30m, 1h, 2h, 6h or 24h',
    usage: true,
  })
}

/** Converts and checks the values of options. */
import { parseHostCount } from '../../fleet/planning/host_count.ts'
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { OptionSpec } from '../command_specs/list.ts'
import { usage } from '../usage.ts'

/** Converts a value for the commands, or returns its problem. Of a repeated single option the last one counts. */
export function checkedValue(name: string, option: OptionSpec, value: unknown): unknown {
  const all = Array.isArray(value) ? (value as unknown[]) : [value]
  // An option of the same name takes a value in another command, such as --explain: then the parser reports a text.
  if (option.type === 'boolean') return switchOf(name, all)
  // The parser reports `--no-role` as false.
  if (all.includes(false)) return usage(`unknown option --no-${name}`, `--${name} takes a value: leave it out`)
  if (option.optionalDuration) return optionalSeconds(name, String(all.at(-1) ?? ''))
  if (all.length === 0 || all.some((text) => text === undefined || text === ''))
    return usage(`--${name} needs a value`, `--${name} ${option.placeholder ?? 'VALUE'}: ${option.description}`)
  const texts = all.map(String)
  if (option.type === 'number') return secondsOf(name, texts.at(-1) ?? '')
  if (!option.repeatable) return problemOf(name, option, texts.at(-1) ?? '') ?? texts.at(-1)
  if (!option.commaSeparated) return texts
  const parts = texts.flatMap((text) => text.split(',')).map((text) => text.trim())
  return parts.includes('')
    ? usage(`--${name}: there is an empty name in ${JSON.stringify(texts.join(' '))}`, 'write a,b without a gap')
    : parts
}

/** Returns whether an option without a value is given, or the problem of a value that somebody gave it. */
function switchOf(name: string, values: readonly unknown[]): boolean | ConvergeError {
  const value = values.find((one) => typeof one === 'string' && one !== '')
  if (value !== undefined)
    return usage(`--${name} takes no value here: ${JSON.stringify(value)}`, 'remove the word after it')
  return values.at(-1) === true || values.at(-1) === ''
}

/** Checks a value that must be one of `choices`, a number of hosts or one line. */
function problemOf(
  name: string,
  { choices, hostCount, singleLine, expected }: OptionSpec,
  text: string,
): ConvergeError | undefined {
  if (choices && !choices.includes(text)) {
    const all = `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
    return usage(
      `invalid --${name} ${JSON.stringify(text)}: expected ${all}`,
      nearest(text, choices) ?? `for example --${name} ${choices[0]}`,
    )
  }
  if (singleLine && /[\p{Cc}\u2028\u2029]/u.test(text))
    return usage(`--${name} takes one line of text, not ${JSON.stringify(text)}`, 'remove the control characters')
  const expectation = expected?.(text) ?? null
  if (expectation !== null)
    return usage(
      `invalid --${name} ${JSON.stringify(text)}: expected ${expectation}`,
      `give the name as the repository has it, for example --${name} main`,
    )
  if (hostCount === undefined) return undefined
  try {
    parseHostCount(text, name, hostCount)
    return undefined
  } catch (error) {
    return asConvergeError(error)
  }
}

function secondsOf(name: string, text: string): number | ConvergeError {
  const number = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && Number.isFinite(number)) return number
  return usage(
    `invalid --${name} ${JSON.stringify(text)}: expected a number of seconds from 0 up`,
    `for example --${name} 60`,
  )
}

/** Seconds of each unit of a time such as 90s. */
export const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Converts a time to seconds; without a value there is no limit. */
function optionalSeconds(name: string, text: string): number | ConvergeError {
  if (text === '') return Number.POSITIVE_INFINITY
  const [, digits, unit = 's'] = /^(\d{1,6})([smhd]?)$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits) * (unitSeconds[unit] ?? 1)
  return usage(
    `invalid --${name} ${JSON.stringify(text)}: expected a time such as 90s, 10m or 1h`,
    `write --${name}=10m; without a value, put it after all other words`,
  )
}

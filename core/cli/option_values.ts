/** Converts and checks the values of options. */
import { ConvergeError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { OptionSpec } from './options.ts'

/** Converts a value for the commands, or returns its problem. Of a repeated single option the last one counts. */
export function checkedValue(name: string, option: OptionSpec, given: unknown): unknown {
  const all = Array.isArray(given) ? (given as unknown[]) : [given]
  if (option.type === 'boolean') return all.at(-1) === true
  // The parser reports `--no-role` as false.
  if (all.includes(false)) return usage(`there is no option --no-${name}`, `--${name} takes a value: leave it out`)
  if (option.optionalTime) return timeOf(name, String(all.at(-1) ?? ''))
  if (all.length === 0 || all.some((value) => value === undefined || value === ''))
    return usage(`--${name} needs a value`, `--${name} ${option.value ?? 'VALUE'}: ${option.describe}`)
  const texts = all.map(String)
  if (option.type === 'number') return secondsOf(name, texts.at(-1) ?? '')
  if (!option.array) return unfit(name, option, texts.at(-1) ?? '') ?? texts.at(-1)
  if (!option.commas) return texts
  const parts = texts.flatMap((text) => text.split(',')).map((text) => text.trim())
  return parts.includes('')
    ? usage(`--${name}: there is an empty name in ${JSON.stringify(texts.join(' '))}`, 'write a,b without a gap')
    : parts
}

/** Checks a value that must be one of `choices`, or a number of hosts. */
function unfit(name: string, { choices, hosts }: OptionSpec, text: string): ConvergeError | undefined {
  if (choices && !choices.includes(text)) {
    const all = `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
    return usage(
      `--${name} is ${all}, and not ${text}`,
      nearest(text, choices) ?? `for example --${name} ${choices[0]}`,
    )
  }
  if (hosts === undefined) return undefined
  const [, digits = '', percent] = /^(\d{1,6})(%?)$/.exec(text) ?? []
  const isShare = percent === '%'
  const fits = digits !== '' && Number(digits) >= hosts.least && (!isShare || (hosts.share && Number(digits) <= 100))
  if (fits) return undefined
  const share = hosts.share ? ', or a share of them' : ''
  return usage(
    `--${name} takes a number of hosts from ${hosts.least} up${share}, not ${text}`,
    `for example --${name} ${hosts.share ? `2 or --${name} 25%` : '10'}`,
  )
}

function secondsOf(name: string, text: string): number | ConvergeError {
  const number = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && Number.isFinite(number)) return number
  return usage(`--${name} takes a number of seconds from 0 up, not ${text}`, `for example --${name} 60`)
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Converts a time to seconds; without a value there is no limit. */
function timeOf(name: string, text: string): number | ConvergeError {
  if (text === '') return Number.POSITIVE_INFINITY
  const [, digits, unit = 's'] = /^(\d{1,6})([smhd]?)$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits) * (unitSeconds[unit] ?? 1)
  return usage(
    `--${name} takes a time such as 90s, 10m or 1h, and not ${text}`,
    `write --${name}=10m; without a value, put it behind all other words`,
  )
}

export function usage(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'USAGE', hint, usage: true })
}

/** From the words of the command line to a command and its options, or to everything that is wrong with them. */
import { Parser } from 'yargs/helpers'
import { ConvergeError, throwProblems } from '../model/errors.ts'
import { nearest, nearestName } from '../model/nearest.ts'
import { type Arguments, allOptions, type CommandSpec, commands, type OptionSpec } from './options.ts'

export interface Parsed {
  readonly spec: CommandSpec
  readonly args: Arguments
}

type Words = Readonly<Record<string, unknown>> & { readonly _: readonly (string | number)[] }

/**
 * @param argv without node and the script
 * @param roles names of the roles there are, for whoever takes one for a command
 * @throws InvalidInput with all that is wrong
 */
export function parseArguments(argv: readonly string[], roles: readonly string[]): Parsed {
  const words = parseWords(argv)
  const [first, ...rest] = words._.map(String)
  const spec = first === undefined ? commands[0] : commandNamed(first)
  if (spec === undefined) throw unknownCommand(first ?? '', roles)
  const problems = [...positionalProblems(spec, rest), ...booleanProblems(argv)]
  const bag: Record<string, unknown> = {}
  if (spec.argument && rest[0] !== undefined) bag.name = rest[0]
  if (spec.target && rest[1] !== undefined) bag.target = rest[1]
  for (const [name, given] of Object.entries(words)) {
    if (name === '_') continue
    const option = spec.options[name]
    const value = option === undefined ? undefined : checkedValue(name, option, given)
    if (option === undefined) problems.push(unknownOption(name, spec))
    else if (value instanceof ConvergeError) problems.push(value)
    else bag[camelCase(name)] = value
  }
  for (const [one, other] of spec.either ?? [])
    if (bag[camelCase(one)] && bag[camelCase(other)])
      problems.push(usage(`--${one} and --${other} contradict each other`, 'give one of them'))
  const fromInput = [...((bag.json ?? []) as string[]), bag.nodeJson].filter((file) => file === '-')
  if (fromInput.length > 1)
    problems.push(usage('standard input can be read once only', 'give - to one of --json and --node-json'))
  throwProblems(problems, 'wrong usage')
  return { spec, args: bag as Arguments }
}

/** Whether help is asked for, and about which command. */
export function helpWanted(argv: readonly string[]): CommandSpec | 'overview' | null {
  const own = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)
  if (!own.includes('--help') && !own.includes('-h')) return null
  const [first] = parseWords(own.filter((word) => word !== '--help' && word !== '-h'))._
  return (first === undefined ? undefined : commandNamed(String(first))) ?? 'overview'
}

export function commandNamed(name: string): CommandSpec | undefined {
  return commands.find((spec) => spec.name === name)
}

/** The command that `converge help NAME` speaks of. */
export function explainedCommand(name: string | undefined): CommandSpec | 'overview' {
  if (name === undefined) return 'overview'
  const spec = commandNamed(name)
  if (spec === undefined) throw unknownCommand(name, [])
  return spec
}

/** Which problems there are is for us to say, in our own words: here words are only told apart. */
function parseWords(argv: readonly string[]): Words {
  const named = (test: (option: OptionSpec) => boolean) =>
    [...allOptions].flatMap(([name, option]) => (test(option) ? [name] : []))
  const aliases = [...allOptions].flatMap(([name, { alias }]) => (alias === undefined ? [] : [[name, alias]]))
  return Parser(withDashes(argv), {
    string: named(({ type }) => type !== 'boolean'),
    boolean: named(({ type }) => type === 'boolean'),
    array: named(({ array }) => array === true),
    alias: Object.fromEntries(aliases) as Record<string, string>,
    configuration: {
      'camel-case-expansion': false,
      'dot-notation': false,
      // `--role web deploy`: deploy is the command, not a second role.
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    },
  })
}

/** A lone dash is a value, though it looks like an option: `--json -` as `--json=-`. */
function withDashes(argv: readonly string[]): string[] {
  const files = ['--json', '-j', '--node-json']
  return argv.flatMap((word, at) => {
    if (word === '-' && files.includes(argv[at - 1] ?? '')) return []
    return files.includes(word) && argv[at + 1] === '-' ? [`${word}=-`] : [word]
  })
}

/** The value in the form the commands take it, or what is wrong with it. Of a single one given twice the last counts. */
function checkedValue(name: string, option: OptionSpec, given: unknown): unknown {
  const all = Array.isArray(given) ? (given as unknown[]) : [given]
  if (option.type === 'boolean') return all.at(-1) === true
  // `--no-role` comes as false.
  if (all.includes(false)) return usage(`there is no option --no-${name}`, `--${name} takes a value: leave it out`)
  if (all.length === 0 || all.some((value) => value === undefined || value === ''))
    return usage(`--${name} needs a value`, `--${name} ${option.value ?? 'VALUE'}: ${option.describe}`)
  const texts = all.map(String)
  if (option.type === 'number') return secondsOf(name, texts.at(-1) ?? '')
  if (!option.array) return texts.at(-1)
  if (!option.commas) return texts
  const parts = texts.flatMap((text) => text.split(',')).map((text) => text.trim())
  return parts.includes('')
    ? usage(`--${name}: there is an empty name in ${JSON.stringify(texts.join(' '))}`, 'write a,b without a gap')
    : parts
}

function secondsOf(name: string, text: string): number | ConvergeError {
  const number = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && Number.isFinite(number)) return number
  return usage(`--${name} takes a number of seconds from 0 up, not ${text}`, `for example --${name} 60`)
}

/** `--dry-run=maybe` must not count as no dry run. */
function booleanProblems(argv: readonly string[]): ConvergeError[] {
  const own = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)
  return own.flatMap((word) => {
    const [, written = '', value = ''] = /^--?([\w-]+)=(.*)$/s.exec(word) ?? []
    const [name, option] = [...allOptions].find(([name, { alias }]) => name === written || alias === written) ?? []
    if (option?.type !== 'boolean' || /^(true|false)$/.test(value)) return []
    return [usage(`--${name} takes no value: ${word}`, `write --${name}, or leave it out`)]
  })
}

function positionalProblems(spec: CommandSpec, rest: readonly string[]): ConvergeError[] {
  const places = [spec.argument, spec.target].flatMap((place) => place?.value ?? [])
  const extra = rest.slice(places.length)
  const [word] = extra
  if (word === undefined) return []
  const command = commandNamed(word)
  const takes = ['no word', `one word (${places[0]})`, `two words (${places.join(' ')})`][places.length]
  const message = `${spec.name} takes ${takes} after it: ${extra.join(' ')}`
  if (command === undefined) return [usage(message, seeHelp(spec))]
  if (command.events && 'event' in spec.options)
    return [usage(message, `did you mean converge ${spec.kind === 'plan' ? 'plan ' : ''}--event ${word}?`)]
  return [usage(message, `one command at a time: converge ${word} ...`)]
}

function unknownCommand(word: string, roles: readonly string[]): ConvergeError {
  const role = roles.includes(word) ? `did you mean converge --role ${word}?` : undefined
  const names = commands.map(({ name }) => name)
  return usage(
    word === '' ? 'the command is empty' : `there is no command ${word}`,
    role ?? nearest(word, names) ?? `there are: ${names.join(', ')}`,
  )
}

function unknownOption(name: string, spec: CommandSpec): ConvergeError {
  const written = name.length === 1 ? `-${name}` : `--${name}`
  const owners = commands.filter(({ options }) => name in options).map((command) => command.name)
  if (owners.length > 0)
    return usage(
      `${spec.name} does not take ${written}`,
      `${written} is for ${anyOf(owners)}: converge ${owners[0]} --help`,
    )
  const near = name === 'version' ? undefined : nearestName(name, Object.keys(spec.options))
  return usage(
    name === 'version' ? `--version stands alone: it prints the program's own` : `there is no option ${written}`,
    near === undefined ? seeHelp(spec) : `did you mean --${near}?`,
  )
}

function anyOf(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 3).join(', ')} and others` : names.join(', ')
}

function seeHelp({ name }: CommandSpec): string {
  return `converge ${name === 'apply' ? '' : `${name} `}--help shows what there is`
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function usage(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'USAGE', hint, usage: true })
}

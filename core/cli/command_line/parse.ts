/** Parses the words of the command line into a command with its options, or reports all problems with them. */
import { Parser } from 'yargs/helpers'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { nearest, nearestName } from '../../model/nearest.ts'
import {
  type Arguments,
  allOptions,
  type CommandFamily,
  type CommandSpec,
  commands,
  families,
  type OptionSpec,
} from '../command_specs/list.ts'
import { usage } from '../usage.ts'
import { checkedValue } from './option_values.ts'

export interface Parsed {
  readonly spec: CommandSpec
  readonly args: Arguments
}

type Words = Readonly<Record<string, unknown>> & { readonly _: readonly (string | number)[] }

/**
 * @param argv without node and the script
 * @param roles names of the known roles, for a hint if a role is given instead of a command
 * @throws InvalidInput with all problems
 */
export function parseArguments(argv: readonly string[], roles: readonly string[]): Parsed {
  const separator = argv.indexOf('--')
  const spec = variantOf(commandOf(parseWords(argv)._.map(String), roles).spec, parseWords(argv))
  const words = parseWords(spec.command && separator >= 0 ? argv.slice(0, separator) : argv)
  const { rest } = commandOf(words._.map(String), roles)
  const command = separator < 0 ? [] : argv.slice(separator + 1)
  const problems = [...positionalProblems(spec, rest), ...booleanProblems(argv)]
  const values: Record<string, unknown> = {}
  const valueless = listsWithoutValue(argv)
  if (spec.argument && rest[0] !== undefined) values.argument = rest[0]
  if (spec.secondArgument && rest[1] !== undefined) values.secondArgument = rest[1]
  if (spec.command) values.command = command
  if (spec.command?.required && command.length === 0 && rest.length === 0)
    problems.push(usage(`${spec.name} takes a command after --`, spec.examples[0]?.[0] ?? ''))
  for (const [written, argument] of Object.entries(words)) {
    if (written === '_') continue
    const name = Object.keys(spec.options).find((one) => spec.options[one]?.alias === written) ?? written
    const option = spec.options[name]
    const value = option === undefined ? undefined : checkedValue(name, option, valueless.has(name) ? [] : argument)
    if (option === undefined) problems.push(unknownOption(name, spec))
    else if (value instanceof ConvergeError) problems.push(value)
    else values[camelCase(name)] = value
  }
  for (const [one, other] of spec.conflicts ?? [])
    if (values[camelCase(one)] && values[camelCase(other)])
      problems.push(usage(`--${one} and --${other} contradict each other`, 'give one of them'))
  const fromInput = [values.json, values.nodeJson].flat().filter((file) => file === '-')
  if (fromInput.length > 1)
    problems.push(usage('standard input can be read once only', 'give - to one of --json and --node-json'))
  throwProblems(problems, 'wrong usage')
  return { spec, args: values as Arguments }
}

/** The subject of the requested help: a command, a family of commands, or the program. */
export type HelpSubject = CommandSpec | CommandFamily | 'overview'

/** Decides whether the command line requests help, and about which command. */
export function requestedHelp(argv: readonly string[]): HelpSubject | null {
  const words = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)
  if (!words.includes('--help') && !words.includes('-h')) return null
  const parsed = parseWords(words.filter((word) => word !== '--help' && word !== '-h'))
  const [first = '', second = ''] = parsed._.map(String)
  const command = commandNamed(first)
  if (command !== undefined) return variantOf(command, parsed)
  return commandNamed(`${first} ${second}`) ?? familyNamed(first) ?? 'overview'
}

/** @param name both words of a command that has two */
export function commandNamed(name: string): CommandSpec | undefined {
  return commands.find((spec) => spec.name === name)
}

export function familyNamed(name: string): CommandFamily | undefined {
  return families.find((family) => family.name === name)
}

/** Returns the commands of a family. */
export function commandsOf({ name }: CommandFamily): readonly CommandSpec[] {
  return commands.filter((spec) => spec.name.startsWith(`${name} `))
}

/** Returns the possible first words: commands of one word, and families. */
export function firstWords(): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.replace(/ .*/, '')))]
}

/** Returns the command that `converge help NAME` or `converge help NAME NAME` explains. */
export function explainedCommand(first: string | undefined, second: string | undefined): HelpSubject {
  if (first === undefined) return 'overview'
  const family = familyNamed(first)
  if (family !== undefined && second === undefined) return family
  return commandOf(second === undefined ? [first] : [first, second], []).spec
}

/** Splits the words into the command and the words after it. */
function commandOf(words: readonly string[], roles: readonly string[]): { spec: CommandSpec; rest: readonly string[] } {
  const [first, second, ...rest] = words
  const one = first === undefined ? commands[0] : commandNamed(first)
  if (one !== undefined) return { spec: one, rest: words.slice(1) }
  const family = familyNamed(first ?? '')
  if (family === undefined) throw unknownCommand(first ?? '', roles)
  const two = commandNamed(`${family.name} ${second}`)
  if (two === undefined) throw unknownSecondWord(family, second)
  return { spec: two, rest }
}

/** Returns the options that turn a command into another one, such as `console` of `deploy`. */
export function variantOptions(spec: CommandSpec): readonly string[] {
  const start = `${spec.name} --`
  return commands.flatMap(({ name }) => (name.startsWith(start) ? name.slice(start.length) : []))
}

/** Returns the command that an option turns this one into, such as `deploy --console`; else the command itself. */
function variantOf(spec: CommandSpec, words: Words): CommandSpec {
  const option = variantOptions(spec).find((name) => name in words)
  return (option === undefined ? undefined : commandNamed(`${spec.name} --${option}`)) ?? spec
}

/** Splits the words into options and arguments, without validation: the callers report problems in their own words. */
function parseWords(argv: readonly string[]): Words {
  const named = (test: (option: OptionSpec) => boolean) =>
    [...allOptions].flatMap(([name, option]) => (test(option) ? [name] : []))
  // A letter may mean different options; the command decides which one.
  const aliased = [...allOptions].flatMap(([name, { alias }]) => (alias === undefined ? [] : [{ name, alias }]))
  const sharedAliases = aliased.flatMap(({ alias }, at) =>
    aliased.some((one, i) => i < at && one.alias === alias) ? alias : [],
  )
  const aliases = aliased.filter(({ alias }) => !sharedAliases.includes(alias)).map(({ name, alias }) => [name, alias])
  return Parser(withDashes(argv), {
    string: [...named(({ type }) => type !== 'boolean'), ...sharedAliases],
    boolean: named(({ type }) => type === 'boolean'),
    array: named(({ repeatable }) => repeatable === true),
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

/** Joins a lone dash to its option, because it would look like an option itself: `--json -` becomes `--json=-`. */
function withDashes(argv: readonly string[]): string[] {
  const files = ['--json', '-j', '--node-json', '--graph']
  return argv.flatMap((word, at) => {
    if (word === '-' && files.includes(argv[at - 1] ?? '')) return []
    return files.includes(word) && argv[at + 1] === '-' ? [`${word}=-`] : [word]
  })
}

/** Refuses values of booleans such as `--dry-run=maybe`, which must not count as no dry run. */
function booleanProblems(argv: readonly string[]): ConvergeError[] {
  const words = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)
  return words.flatMap((word) => {
    const [, written = '', value = ''] = /^--?([\w-]+)=(.*)$/s.exec(word) ?? []
    const [name, option] = [...allOptions].find(([name, { alias }]) => name === written || alias === written) ?? []
    if (option?.type !== 'boolean' || /^(true|false)$/.test(value)) return []
    return [usage(`--${name} takes no value: ${word}`, `write --${name}, or leave it out`)]
  })
}

/** Returns the options with a list of values that have none in one place: the parser adds nothing to the list then. */
function listsWithoutValue(argv: readonly string[]): ReadonlySet<string> {
  const words = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)
  const names = words.flatMap((word, at) => {
    const [, written = '', sign = ''] = /^--?([\w-]+)(=?)$/.exec(word) ?? []
    const [name, option] = [...allOptions].find(([name, { alias }]) => name === written || alias === written) ?? []
    const next = sign === '=' ? '' : (words[at + 1] ?? '')
    return option?.repeatable && (next === '' || /^--?[a-z]/i.test(next)) ? [name as string] : []
  })
  return new Set(names)
}

function positionalProblems(spec: CommandSpec, rest: readonly string[]): ConvergeError[] {
  const placeholders = [spec.argument, spec.secondArgument].flatMap((positional) => positional?.placeholder ?? [])
  const extra = rest.slice(placeholders.length)
  const [word] = extra
  if (word === undefined) return []
  const family = familyOf(spec)
  const command = (family && commandNamed(`${family.name} ${word}`)) ?? commandNamed(word)
  const takes = ['no word', `one word (${placeholders[0]})`, `two words (${placeholders.join(' ')})`][
    placeholders.length
  ]
  const message = `${spec.name} takes ${takes} after it: ${extra.join(' ')}`
  if (spec.command)
    return [usage(message, `write -- before the command: converge ${spec.name} [OPTION ...] -- ${extra.join(' ')}`)]
  if (command === undefined) {
    const hostOption = `--host ${extra.join(',')}`
    return [
      usage(message, 'host' in spec.options ? `hosts are chosen by ${hostOption}, --layer or --app` : seeHelp(spec)),
    ]
  }
  if ('event' in spec.options && commandNamed(word)?.events)
    return [usage(message, `did you mean converge ${spec.name === 'apply' ? '' : `${spec.name} `}--event ${word}?`)]
  return [usage(message, `one command at a time: converge ${command.name} ...`)]
}

function unknownCommand(word: string, roles: readonly string[]): ConvergeError {
  const role = roles.includes(word) ? `did you mean converge --role ${word}?` : undefined
  const second = commands.find(({ name }) => name.endsWith(` ${word}`))?.name
  const longer = second === undefined ? undefined : `did you mean converge ${second}?`
  const names = firstWords()
  return usage(
    word === '' ? 'the command is empty' : `unknown command ${word}`,
    role ?? longer ?? nearest(word, names) ?? `there are: ${names.join(', ')}`,
  )
}

function unknownSecondWord(family: CommandFamily, word: string | undefined): ConvergeError {
  const names = commandsOf(family).map(({ name }) => name.slice(family.name.length + 1))
  const all = `there are: ${names.join(', ')}`
  if (word === undefined) return usage(`converge ${family.name} takes a command after it`, all)
  // Commands for one host such as restart are `converge stack run restart` for many hosts.
  const isEvent = names.includes('run') && commandNamed(word)?.events !== undefined
  return usage(
    `unknown command ${family.name} ${word}`,
    isEvent ? `did you mean converge ${family.name} run ${word}?` : (nearest(word, names) ?? all),
  )
}

function familyOf({ name }: CommandSpec): CommandFamily | undefined {
  return families.find((family) => name.startsWith(`${family.name} `))
}

function unknownOption(name: string, spec: CommandSpec): ConvergeError {
  const spelling = name.length === 1 ? `-${name}` : `--${name}`
  const message = `${spec.name} does not take ${spelling}`
  const instead = spec.advice?.[name] ?? suggestSameLetter(name, spec)
  if (instead !== undefined) return usage(allOptions.has(name) ? message : `unknown option ${spelling}`, instead)
  const family = familyOf(spec)
  const owners = commands.filter(({ options }) => name in options)
  const ownersInFamily = owners.filter((command) => familyOf(command) === family)
  const [first, ...more] = (ownersInFamily.length > 0 ? ownersInFamily : owners).map((command) => command.name)
  if (first !== undefined)
    return usage(message, `${spelling} is for ${anyOf([first, ...more])}: converge ${first} --help`)
  // A single letter is similar to every short name: suggest nothing.
  const similar = name === 'version' || name.length === 1 ? undefined : nearestName(name, Object.keys(spec.options))
  return usage(
    name === 'version' ? `--version stands alone: it prints the program's own` : `unknown option ${spelling}`,
    similar === undefined ? seeHelp(spec) : `did you mean --${similar}?`,
  )
}

/** Finds the option with the same letter, such as `--comment` for `--message`: both are `-m`. */
function suggestSameLetter(name: string, { options }: CommandSpec): string | undefined {
  const letter = allOptions.get(name)?.alias
  if (letter === undefined) return undefined
  const twin = Object.keys(options).find((one) => options[one]?.alias === letter)
  return twin === undefined ? undefined : `did you mean --${twin}?`
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

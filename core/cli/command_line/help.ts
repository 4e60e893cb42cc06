/** Formats the output of `--help`: the purpose of a command, its options by group, and examples. */
import { type CommandFamily, type CommandSpec, commands, type OptionSpec } from '../command_specs/list.ts'
import { commandsOf, familyNamed, firstWords } from './parse.ts'

const exitStatuses =
  'Exit status: 0 nothing to do or all done, 1 something failed, 2 wrong usage or invalid input, 3 something changed (with --detailed-exit-code).'

/** @param roles short descriptions by name */
export function overview(roles: ReadonlyMap<string, string>, width: number): string {
  const single = firstWords().flatMap((name) => familyNamed(name) ?? commands.find((spec) => spec.name === name) ?? [])
  const listed = [...single, ...commands.filter(({ name }) => name.includes(' --'))]
  const groups = [...new Set(listed.map(({ group }) => group))]
  const longest = Math.max(...listed.map(({ name }) => name.length))
  const usage: Row[] = [
    ['converge [--role ROLE] [OPTION ...]', 'setup, deploy and configure'],
    ['converge COMMAND [OPTION ...]', ''],
  ]
  const rows = (group: string) =>
    listed.filter((spec) => spec.group === group).map(({ name, description }): Row => [name, description])
  const [apply] = commands
  return page([
    wrap('converge converges a host to the state that its roles declare, and deploys its apps.', width),
    section('Usage', table(usage, width)),
    ...groups.map((group) => section(group, table(rows(group), width, longest))),
    section('Roles', table([...roles], width)),
    ...optionSections(apply?.options ?? {}, width),
    section('Examples', examples(apply?.examples ?? [], width)),
    wrap(
      'converge COMMAND --help says more of a command. A run exits with 0 when all is done, 1 when something failed, and 2 for wrong usage or invalid input.',
      width,
    ),
  ])
}

/** Formats the help about a family of commands, such as `converge stack`. */
export function familyHelp(family: CommandFamily, width: number): string {
  const { name, details, examples: lines } = family
  const rows = commandsOf(family).map((spec): Row => [spec.name, spec.description])
  return page([
    wrap(details, width),
    section('Usage', `  converge ${name} COMMAND [OPTION ...]`),
    section('Commands', table(rows, width)),
    section('Examples', examples(lines, width)),
    wrap(`converge ${name} COMMAND --help says more of a command. ${exitStatuses}`, width),
  ])
}

export function commandHelp(spec: CommandSpec, width: number): string {
  const { description, details, options } = spec
  const positionals = [spec.argument, spec.secondArgument, spec.command].flatMap((argument) => argument ?? [])
  const synopsis = `converge ${synopsisOf(spec, Object.keys(options).length > 0 ? ' [OPTION ...]' : '')}`
  return page([
    wrap(`${description}.`, width),
    details === undefined ? '' : wrap(details, width),
    section('Usage', `  ${synopsis}`),
    section(
      positionals.length > 1 ? 'Arguments' : 'Argument',
      table(
        positionals.map(({ placeholder, description }) => [placeholder, description]),
        width,
      ),
    ),
    section('Examples', examples(spec.examples, width)),
    ...optionSections(options, width),
  ])
}

/** Returns the name of a command with its arguments; optional ones are in brackets. */
export function synopsisOf(spec: CommandSpec, options = ''): string {
  const { name, argument, secondArgument, command } = spec
  const words = [argument, secondArgument].flatMap((positional) => positional ?? [])
  // The value of an option that is part of the name.
  const value = spec.options[name.split(' --')[1] ?? '']?.placeholder
  const start = [
    name,
    ...(value === undefined ? [] : [value]),
    ...words.map(({ placeholder, required }) => (required ? placeholder : `[${placeholder}]`)),
  ].join(' ')
  if (command === undefined) return `${start}${options}`
  const { placeholder, required } = command
  return `${start}${options} ${required ? `-- ${placeholder}` : `[-- ${placeholder}]`}`
}

function page(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function section(title: string, body: string): string {
  return body === '' ? '' : `${title}:\n${body}`
}

function optionSections(options: CommandSpec['options'], width: number): string[] {
  const all = Object.entries(options)
  const groups = [...new Set(all.map(([, { group }]) => group))]
  const longest = Math.max(0, ...all.map((entry) => optionName(...entry).length))
  const rows = (group: string) =>
    all.filter(([, option]) => option.group === group).map((entry): Row => [optionName(...entry), optionText(entry[1])])
  return groups.map((group) => section(group, table(rows(group), width, longest)))
}

/** Returns the value of an option as its synopsis shows it: ` HOW`, `[=DURATION]`. */
export function placeholderOf({
  placeholder,
  optionalDuration,
}: Pick<OptionSpec, 'placeholder' | 'optionalDuration'>): string {
  if (placeholder === undefined) return ''
  return optionalDuration === true ? `[=${placeholder}]` : ` ${placeholder}`
}

function optionName(name: string, { alias, ...option }: OptionSpec): string {
  return `${alias === undefined ? '    ' : `-${alias}, `}--${name}${placeholderOf(option)}`
}

function optionText({ description, default: standard }: OptionSpec): string {
  return standard === undefined ? description : `${description}; default: ${standard}`
}

/** Formats each example on a line of its own, ready to copy, below its explanation. */
function examples(rows: CommandSpec['examples'], width: number): string {
  return rows.map(([line, text]) => `${wrap(`# ${text}`, width, '  ')}\n  ${line}`).join('\n')
}

type Row = readonly [string, string]

/** Formats two columns; a cell that is too wide pushes the second column to the next line. */
function table(
  rows: readonly Row[],
  width: number,
  longest = Math.max(0, ...rows.map(([left]) => left.length)),
): string {
  const left = Math.min(longest, Math.floor(width / 2.5))
  const indent = ' '.repeat(left + 4)
  return rows
    .map(([name, text]) => {
      const body = wrap(text, width, indent)
      if (text === '') return `  ${name}`
      return name.length > left ? `  ${name}\n${body}` : `  ${name.padEnd(left)}  ${body.trimStart()}`
    })
    .join('\n')
}

/** Breaks text between words; a word longer than the line stays whole, so that it can be copied. */
export function wrap(text: string, width: number, indent = ''): string {
  const room = Math.max(20, width - indent.length)
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map((one) => `${indent}${one}`).join('\n')
}

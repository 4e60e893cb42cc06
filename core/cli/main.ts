/** The command line: parses it, calls what it names, and gives the exit status. */
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Catalogue } from './catalogue.ts'
import { type Arguments, type CommandSpec, commands } from './options.ts'

/** Exit statuses: 0 nothing to do or all done, 1 failed, 2 wrong usage or invalid input, 3 changed (with --detailed-exit-code). */
export type ExitStatus = 0 | 1 | 2 | 3

/**
 * @param argv without node and the script
 * @returns the exit status; the process is the caller's to end
 */
export async function main<N>(argv: readonly string[], catalogue: Catalogue<N>): Promise<ExitStatus> {
  let status: ExitStatus = 0
  try {
    const { default: yargs } = await import('yargs')
    const parser = yargs([...argv])
      .scriptName('converge')
      .usage('Brings a host to the state its role declares, and keeps deploying what runs on it.')
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .strict()
      .demandCommand(0)
      .recommendCommands()
      .version(catalogue.version)
      .help('help')
      .alias('help', 'h')
      .completion('completion', 'Print the completion script for bash or zsh: source it from your profile')
      .wrap(Math.min(110, process.stdout.columns ?? 100))
      .exitProcess(false)
      .epilogue('converge COMMAND --help says more. Documentation: docs/ beside the program.')
      .fail((message, error) => {
        throw error ?? usageError(message, argv)
      })
    for (const spec of commands) {
      parser.command(
        spec.command,
        spec.describe,
        (y) => describeCommand(y, spec),
        async (args) => {
          status = await dispatch(spec, normalise(args), catalogue)
        },
      )
    }
    await parser.parseAsync()
    return status
  } catch (thrown) {
    const error = asConvergeError(thrown)
    const { describeError } = await import('../report/terminal.ts')
    const color = !argv.includes('--no-color') && useColor(process.stderr)
    if (argv.includes('--json-output'))
      process.stdout.write(
        `${JSON.stringify({ event: 'error', ...error.toJSON(), ...('problems' in error ? { problems: error.problems } : {}) })}\n`,
      )
    process.stderr.write(`${describeError(error, color)}\n`)
    return error.usage ? 2 : 1
  }
}

function describeCommand(y: import('yargs').Argv, spec: CommandSpec): import('yargs').Argv {
  if (spec.details)
    y.usage(`$0 ${typeof spec.command === 'string' ? spec.command : spec.command[0]}\n\n${spec.details}`)
  for (const [name, positional] of Object.entries(spec.positionals ?? {})) y.positional(name, positional)
  y.options({ ...spec.options })
  for (const [command, description] of spec.examples) y.example(command, description)
  return y
}

/** Roles may be given as `a,b`; a flag given twice counts by its last value. */
function normalise(args: Record<string, unknown>): Arguments {
  const bag: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(args)) {
    if (key === '_' || key === '$0') continue
    const list = ['role', 'json', 'recipes', 'event'].includes(key)
    bag[key] = Array.isArray(value) && !list ? value.at(-1) : value
  }
  for (const key of ['role', 'event'])
    if (Array.isArray(bag[key]))
      bag[key] = bag[key]
        .flatMap((text) => String(text).split(','))
        .map((text) => text.trim())
        .filter(Boolean)
  if (typeof bag.wait === 'number' && !(bag.wait >= 0))
    throw new ConvergeError(`--wait takes a number of seconds from 0 up`, {
      code: 'USAGE',
      hint: 'for example --wait 60',
      usage: true,
    })
  return bag as Arguments
}

async function dispatch<N>(spec: CommandSpec, args: Arguments, catalogue: Catalogue<N>): Promise<ExitStatus> {
  switch (spec.kind) {
    case 'run':
    case 'plan': {
      const { runCommand } = await import('./run.ts')
      const events = spec.events ?? args.event ?? null
      return runCommand(args, events, spec.kind === 'plan' || args.dryRun === true, catalogue)
    }
    case 'releases':
    case 'status':
    case 'doctor': {
      const look = await import('./look.ts')
      return look[spec.kind](args, catalogue)
    }
    case 'attributes':
      return (await import('./attributes.ts')).attributes(args, catalogue)
    case 'render':
      return (await import('./render.ts')).render(args, catalogue)
    case 'resources':
      return (await import('./resources.ts')).resources(args, catalogue)
  }
}

function usageError(message: string, argv: readonly string[]): ConvergeError {
  const unknown = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1]?.split(', ')[0]
  const names = unknown === undefined ? [] : allNames()
  const hint = unknown === undefined ? undefined : nearest(unknown, names)
  const command = argv.find((word) => !word.startsWith('-'))
  const known = commands.some(({ command: name }) => String(name).split(/[ ,]/)[0] === command)
  return new ConvergeError(
    message
      .replace(/^Unknown argument/, 'unknown option or command')
      .replace(/^Unknown command/, 'unknown command')
      .replace(/^Not enough arguments following: (.+)$/, 'the option --$1 needs a value'),
    {
      code: 'USAGE',
      hint: hint ?? `converge ${known ? `${command} ` : ''}--help shows what there is`,
      usage: true,
    },
  )
}

function allNames(): string[] {
  const names = new Set<string>()
  for (const { command, options } of commands) {
    for (const name of Array.isArray(command) ? command : [command]) names.add(String(name).split(' ')[0] ?? '')
    for (const name of Object.keys(options)) names.add(name)
  }
  return [...names]
}

export function useColor(stream: NodeJS.WriteStream): boolean {
  if (process.env.NO_COLOR) return false
  return process.env.FORCE_COLOR
    ? process.env.FORCE_COLOR !== '0'
    : stream.isTTY === true && process.env.TERM !== 'dumb'
}

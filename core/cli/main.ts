/** Parses the command line, runs the command that it names, and returns the exit status. */
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { Secrets } from '../model/secrets.ts'
import type { Catalogue } from './catalogue.ts'
import { warningsOf } from './input_warnings.ts'
import type { HelpWanted, Parsed } from './parse.ts'
import { print, printError, printJson } from './print.ts'
import { type ExitStatus, useColor } from './process.ts'

/**
 * @param argv without node and the script
 * @param endProcess called if work that cannot be ended would keep the process running
 * @returns the exit status, with which the caller ends the process
 */
export async function main<N>(
  argv: readonly string[],
  catalogue: Catalogue<N>,
  endProcess: () => void,
): Promise<ExitStatus> {
  // Secrets are collected while the command runs; error messages must mask them too.
  const secrets = new Secrets()
  try {
    if (argv.length === 1 && argv[0] === '--version') return say(`${catalogue.version}\n`)
    if (argv[0] === '--complete') {
      const { complete } = await import('./completion.ts')
      return say((await complete(argv.slice(1), catalogue)).map((word) => `${word}\n`).join(''))
    }
    const { helpWanted, parseArguments } = await import('./parse.ts')
    const wanted = helpWanted(argv)
    if (wanted !== null) return await help(wanted, catalogue)
    return await dispatch(parseArguments(argv, Object.keys(catalogue.roles)), catalogue, secrets, endProcess)
  } catch (thrown) {
    const error = asConvergeError(thrown).masked(
      (text) => secrets.mask(text),
      (text) => secrets.maskForeign(text),
    )
    const { describeError, describeWarning } = await import('../report/describe.ts')
    const color = !argv.includes('--no-color') && (argv.includes('--color') || useColor(process.stderr))
    const isJson = argv.includes('--json-output')
    for (const warning of warningsOf(thrown)) {
      const message = secrets.mask(warning)
      if (isJson) printJson({ event: 'warning', message })
      printError(`${describeWarning(message, color)}\n`, color)
    }
    if (isJson) printJson({ event: 'error', ...error.toJSON() })
    printError(`${describeError(error, color)}\n`, color)
    return error.usage ? 2 : 1
  }
}

async function dispatch<N>(
  { spec, args }: Parsed,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  endProcess: () => void,
): Promise<ExitStatus> {
  switch (spec.kind) {
    case 'run':
    case 'plan': {
      const { runCommand } = await import('./run.ts')
      const events = spec.events ?? args.event ?? null
      return runCommand(args, events, spec.kind === 'plan' || args.dryRun === true, catalogue, secrets, endProcess)
    }
    case 'releases':
    case 'status': {
      const { releases, status } = await import('./look.ts')
      return { releases, status }[spec.kind](args, catalogue, secrets)
    }
    case 'doctor':
      return (await import('./doctor.ts')).doctor(args, catalogue, secrets)
    case 'maintenance': {
      const { runCommand } = await import('./run.ts')
      return runCommand(args, [maintenanceEvent(args.name)], args.dryRun === true, catalogue, secrets, endProcess)
    }
    case 'revisions':
      return (await import('./revisions.ts')).revisions(args, catalogue, secrets)
    case 'hooks':
      return (await import('./hooks.ts')).hooksCommand(spec.name.replace('hooks ', ''), {
        args,
        catalogue,
        secrets,
        endProcess,
      })
    case 'lock':
    case 'unlock': {
      const { lock, unlock } = await import('./lock.ts')
      return { lock, unlock }[spec.kind](args)
    }
    case 'attributes':
      return (await import('./attributes.ts')).attributes(args, catalogue, secrets)
    case 'balancer':
      return (await import('./balancer.ts')).balancer(args, catalogue, secrets)
    case 'render':
      return (await import('./render.ts')).render(args, catalogue, secrets)
    case 'resources':
      return (await import('./resources.ts')).resources(args, catalogue)
    case 'stack':
      return (await import('./stack/dispatch.ts')).stackCommand(spec, { args, catalogue, secrets, endProcess })
    case 'completion':
      return say((await import('./completion.ts')).completionScript(args.name))
    case 'help': {
      const { explainedCommand } = await import('./parse.ts')
      return help(explainedCommand(args.name, args.target), catalogue)
    }
  }
}

function maintenanceEvent(word: string | undefined): string {
  if (word === 'on' || word === 'off') return `maintenance_${word}`
  throw new ConvergeError(
    word === undefined ? 'missing argument: on or off' : `unknown argument ${word}: expected on or off`,
    {
      code: 'USAGE',
      hint: 'converge maintenance on, converge maintenance off',
      usage: true,
    },
  )
}

async function help<N>(wanted: HelpWanted, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const { commandHelp, familyHelp, overview } = await import('./help.ts')
  const width = Math.min(110, process.stdout.columns || 100)
  const roles = new Map(Object.entries(catalogue.roles).map(([name, { doc }]) => [name, doc]))
  if (wanted === 'overview') return say(overview(roles, width))
  return say('kind' in wanted ? commandHelp(wanted, width) : familyHelp(wanted, width))
}

function say(text: string): ExitStatus {
  print(text)
  return 0
}

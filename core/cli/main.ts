/** Parses the command line, runs the command that it names, and returns the exit status. */
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { Secrets } from '../model/secrets.ts'
import type { Catalogue } from './catalogue.ts'
import type { HelpSubject, Parsed } from './command_line/parse.ts'
import type { ExitStatus } from './exit_status.ts'
import { warningsOf } from './inputs/input_warnings.ts'
import { print, printError, printJson, useColor } from './print.ts'

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
    if (argv.length === 1 && argv[0] === '--version') return printText(`${catalogue.version}\n`)
    if (argv[0] === '--complete') {
      const { complete } = await import('./command_line/completion.ts')
      return printText((await complete(argv.slice(1), catalogue)).map((word) => `${word}\n`).join(''))
    }
    const { requestedHelp, parseArguments } = await import('./command_line/parse.ts')
    const requested = requestedHelp(argv)
    if (requested !== null) return await help(requested, catalogue)
    return await dispatch(parseArguments(argv, Object.keys(catalogue.roles)), argv, catalogue, secrets, endProcess)
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
  argv: readonly string[],
  catalogue: Catalogue<N>,
  secrets: Secrets,
  endProcess: () => void,
): Promise<ExitStatus> {
  switch (spec.kind) {
    case 'run':
    case 'plan': {
      const { runCommand } = await import('./commands/run.ts')
      const events = spec.events ?? args.event ?? null
      if (spec.name === 'apply' && args.argument !== undefined) {
        const { applyPlan } = await import('./commands/apply_plan.ts')
        return applyPlan(args.argument, args, catalogue, secrets, endProcess)
      }
      return runCommand(args, events, spec.kind === 'plan' || args.dryRun === true, catalogue, secrets, endProcess)
    }
    case 'releases':
    case 'status': {
      const { releases, status } = await import('./commands/status.ts')
      return { releases, status }[spec.kind](args, catalogue, secrets)
    }
    case 'doctor':
      return (await import('./commands/doctor.ts')).doctor(args, catalogue, secrets)
    case 'report':
      return (await import('./commands/report.ts')).report(args)
    case 'maintenance': {
      const { runCommand } = await import('./commands/run.ts')
      return runCommand(args, [maintenanceEvent(args.argument)], args.dryRun === true, catalogue, secrets, endProcess)
    }
    case 'backup':
      return (await import('./commands/backup.ts')).backup(args, catalogue, secrets, endProcess)
    case 'debug-client':
      return (await import('./commands/debug_client.ts')).debugClientCommand(args, catalogue, secrets)
    case 'revisions':
      return (await import('./commands/revisions.ts')).revisions(args, catalogue, secrets)
    case 'hooks':
      return (await import('./commands/hooks.ts')).hooksCommand(spec.name.replace('hooks ', ''), {
        args,
        catalogue,
        secrets,
        endProcess,
      })
    case 'secrets':
      return (await import('./commands/secrets.ts')).secretsCommand(spec.name.replace('secrets ', ''), args)
    case 'console':
      return (await import('./commands/console.ts')).consoleCommand({ args, catalogue, secrets, endProcess })
    case 'control':
      return (await import('./commands/control.ts')).controlCommand({ args, catalogue, secrets, endProcess })
    case 'agent':
      return (await import('./commands/agent.ts')).agentCommand({ args, catalogue, secrets, endProcess })
    case 'console-client':
      return (await import('./console_client/deploy.ts')).deployByConsole(args, secrets)
    case 'lock':
    case 'unlock': {
      const { lock, unlock } = await import('./commands/lock.ts')
      return { lock, unlock }[spec.kind](args)
    }
    case 'attributes':
      return (await import('./commands/attributes.ts')).attributes(args, catalogue, secrets)
    case 'balancer':
      return (await import('./commands/balancer.ts')).balancer(args, catalogue, secrets)
    case 'render':
      return (await import('./commands/render.ts')).render(args, catalogue, secrets)
    case 'resources':
      return (await import('./commands/resources.ts')).resources(args, catalogue)
    case 'new':
      return (await import('./commands/scaffold.ts')).scaffold(spec.name.replace('new ', ''), args, catalogue)
    case 'test':
      return (await import('./commands/recipe_tests.ts')).recipeTests(args, catalogue)
    case 'verify':
      return (await import('./commands/verify.ts')).verify(argv, args, catalogue)
    case 'stack':
      return (await import('./stack/dispatch.ts')).stackCommand(spec, { args, catalogue, secrets, endProcess })
    case 'completion':
      return printText((await import('./command_line/completion.ts')).completionScript(args.argument))
    case 'help': {
      const { explainedCommand } = await import('./command_line/parse.ts')
      return help(explainedCommand(args.argument, args.secondArgument), catalogue)
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

async function help<N>(requested: HelpSubject, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const { commandHelp, familyHelp, overview } = await import('./command_line/help.ts')
  const width = Math.min(110, process.stdout.columns || 100)
  const roles = new Map(Object.entries(catalogue.roles).map(([name, { doc }]) => [name, doc]))
  if (requested === 'overview') return printText(overview(roles, width))
  return printText('kind' in requested ? commandHelp(requested, width) : familyHelp(requested, width))
}

function printText(text: string): ExitStatus {
  print(text)
  return 0
}

/** `converge`, `plan`, and the commands named for an event. */
import { compile } from '../compile/compile.ts'
import { converge } from '../converge/engine.ts'
import { journal } from '../converge/journal.ts'
import { LocalHost } from '../host/local.ts'
import { acquireLock } from '../host/lock.ts'
import { killRunning } from '../host/process.ts'
import { StateDirectory } from '../host/state_files.ts'
import { VirtualHost } from '../host/virtual.ts'
import { describeLocation } from '../model/errors.ts'
import { seconds } from '../model/units.ts'
import type { NodeWarning } from '../node/layers.ts'
import type { Handlers, RunReport } from '../report/events.ts'
import { jsonLines } from '../report/machine.ts'
import { Terminal } from '../report/terminal.ts'
import type { Catalogue } from './catalogue.ts'
import { eventsOf, gather, type Inputs } from './inputs.ts'
import { type ExitStatus, useColor } from './main.ts'
import type { Arguments } from './options.ts'

export async function runCommand<N>(
  args: Arguments,
  given: readonly string[] | null,
  dry: boolean,
  catalogue: Catalogue<N>,
): Promise<ExitStatus> {
  const events = eventsOf(given)
  const output = await outputOf(args)
  const inputs = await gather(args, catalogue)
  const host = new LocalHost(inputs.stateDirectory)
  const warn = (message: string) => output.warn?.(inputs.secrets.mask(message))
  if (dry) {
    for (const warning of inputs.built.warnings) warn(warningText(warning))
    const plan = compile(inputs.roles, events, inputs.node(events, host))
    const handlers = [output, ...inputs.user.handlers]
    const report = await converge(plan, new VirtualHost({ base: host }), {
      id: 'plan',
      mode: 'plan',
      handlers,
      secrets: inputs.secrets,
      interrupted: interruptible().asked,
    })
    return statusOf(report, args)
  }
  const state = new StateDirectory(inputs.stateDirectory)
  state.prepare()
  const lock = await acquireLock(
    `${state.path}/lock`,
    `converge ${inputs.roles.map((r) => r.name).join(',')} ${events.join(',')}`,
    seconds(args.wait ?? 0),
    (holder) =>
      warn(`waiting for process ${holder.pid} (${holder.command}) of ${holder.user}, at work since ${holder.since}`),
  )
  try {
    for (const warning of inputs.built.warnings) warn(warningText(warning))
    return statusOf(await locked(inputs, events, host, state, output), args)
  } finally {
    lock.release()
  }
}

/** Compiled under the lock: what a rollback goes back to must not change between looking and doing. */
async function locked<N>(
  inputs: Inputs<N>,
  events: readonly string[],
  host: LocalHost,
  state: StateDirectory,
  output: Handlers,
): Promise<RunReport> {
  const plan = compile(inputs.roles, events, inputs.node(events, host))
  const id = state.nextRun()
  const interruption = interruptible()
  try {
    return await converge(plan, host, {
      id,
      mode: 'run',
      handlers: [output, journal(state, id), ...inputs.user.handlers],
      secrets: inputs.secrets,
      interrupted: interruption.asked,
      onTimeout: () => killRunning('SIGTERM'),
    })
  } finally {
    interruption.stop()
  }
}

/** SIGINT and SIGTERM: the resource under way is finished; the second time what runs is ended at once. */
function interruptible(): { asked: () => boolean; stop: () => void } {
  let asked = false
  const heard = (signal: NodeJS.Signals) => {
    if (asked) return killRunning('SIGKILL')
    asked = true
    process.stderr.write(
      `\n${signal}: finishing what is under way${signal === 'SIGINT' ? '; once more to stop it at once' : ''}\n`,
    )
  }
  process.on('SIGINT', heard).on('SIGTERM', heard)
  return {
    asked: () => asked,
    stop: () => process.off('SIGINT', heard).off('SIGTERM', heard),
  }
}

/** A warning of the attributes on one line. */
export function warningText({ message, hint, source }: NodeWarning): string {
  const where = source ? `${describeLocation(source)}: ` : ''
  return `${where}${message}${hint ? ` (${hint})` : ''}`
}

export async function outputOf(args: Arguments): Promise<Handlers> {
  const write = (text: string) => process.stdout.write(text)
  if (args.jsonOutput) return jsonLines(write, args.verbose === true)
  return new Terminal({
    write,
    color: args.color ?? useColor(process.stdout),
    live: process.stdout.isTTY === true,
    width: process.stdout.columns ?? 100,
    quiet: args.quiet === true,
    verbose: args.verbose === true,
  }).prepare()
}

function statusOf(report: RunReport, args: Arguments): ExitStatus {
  if (report.outcome === 'failed' || report.outcome === 'interrupted') return 1
  return args.detailedExitCode && report.outcome !== 'unchanged' ? 3 : 0
}

/** Runs `converge`, `converge plan`, and the commands that are named after an event. */
import type { Plan } from '../compile/compile.ts'
import type { Role } from '../compile/role.ts'
import { converge } from '../converge/engine.ts'
import { journal } from '../converge/journal.ts'
import { awaitCommandsOf } from '../host/command_guard.ts'
import { LocalHost } from '../host/local.ts'
import { acquireLock, lockHolder } from '../host/lock.ts'
import { killRunning } from '../host/process.ts'
import { StateDirectory } from '../host/state_files.ts'
import { VirtualHost } from '../host/virtual.ts'
import { asConvergeError } from '../model/errors.ts'
import type { Secrets } from '../model/secrets.ts'
import { seconds } from '../model/units.ts'
import { loadDiff } from '../report/diff.ts'
import type { Handlers, RunReport } from '../report/events.ts'
import { jsonLines } from '../report/machine.ts'
import { Terminal } from '../report/terminal.ts'
import type { Catalogue } from './catalogue.ts'
import { compiled, gather } from './gather.ts'
import { withWarnings } from './input_warnings.ts'
import { eventsOf, warningText } from './inputs.ts'
import { respectLock } from './lock.ts'
import type { Arguments } from './options.ts'
import { type ExitStatus, useColor } from './process.ts'

/** Minimum time that a run waits for a command of a killed run to end, in seconds. */
const commandWait = 30

/** An event of one role that repairs a failure. */
interface Recovery {
  readonly role: string
  readonly event: string
}

/** The input that a run and a dry run share. */
interface Ready {
  readonly host: LocalHost
  readonly output: Handlers
  readonly compileNow: (recovery?: Recovery) => Plan
  /** Compiles before the first change, and reports every mistake in the input. */
  readonly compileFirst: () => Promise<Plan>
  readonly handlers: readonly Handlers[]
  readonly secrets: Secrets
  readonly warn: (message: string) => void
  readonly note: (message: string) => void
  /** Prints the warnings about attributes. */
  readonly tellWarnings: () => void
}

/** @param instead a built-in role to run in the place of the requested ones */
export async function runCommand<N>(
  args: Arguments,
  given: readonly string[] | null,
  dry: boolean,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  endProcess: () => void,
  instead?: Role<N>,
): Promise<ExitStatus> {
  const events = eventsOf(given)
  const inputs = await gather(args, catalogue, secrets, {
    needsRole: instead === undefined,
    ...(instead === undefined ? { events } : {}),
  })
  const all = instead === undefined ? inputs.roles : [instead]
  const host = new LocalHost(inputs.stateDirectory)
  const locked = () => respectLock(inputs.stateDirectory, events, dry, args.by)
  locked()
  const output = await outputOf(args)
  const warn = (message: string) => output.warn?.(secrets.mask(message))
  const note = (message: string) => output.note?.(secrets.mask(message))
  const compileNow = (recovery?: Recovery) => {
    const roles = recovery ? all.filter(({ name }) => name === recovery.role) : all
    const asked = recovery ? [recovery.event] : events
    return inputs.compile(asked, host, roles)
  }
  const unprinted = inputs.built.warnings.map(warningText)
  const ready: Ready = {
    host,
    output,
    compileNow,
    compileFirst: () =>
      instead === undefined ? compiled(compileNow, () => inputs.diagnose(events, host)) : Promise.resolve(compileNow()),
    handlers: inputs.user.handlers,
    secrets,
    warn,
    note,
    tellWarnings: () => {
      // Check again: somebody may have locked deploys while this run waited for another one.
      const lock = locked()
      if (lock !== null) warn(lock)
      for (const warning of unprinted.splice(0)) warn(warning)
    },
  }
  const report = await withWarnings(
    () => unprinted,
    () =>
      dry
        ? dryRun(ready)
        : run(ready, new StateDirectory(inputs.stateDirectory), {
            wait: args.wait ?? 0,
            command: `converge ${all.map(({ name }) => name).join(',')} ${events.join(',')}`,
          }),
  )
  if (report.stillRunning) endProcess()
  return statusOf(report, args)
}

async function dryRun({ host, output, compileFirst, handlers, secrets, tellWarnings }: Ready): Promise<RunReport> {
  const plan = await compileFirst()
  tellWarnings()
  return interruptible((interrupted) =>
    converge(plan, new VirtualHost({ base: host }), {
      id: 'plan',
      mode: 'plan',
      handlers: [output, ...handlers],
      secrets,
      interrupted,
    }),
  )
}

async function run(
  { host, output, compileNow, compileFirst, handlers, secrets, warn, note, tellWarnings }: Ready,
  state: StateDirectory,
  { wait, command }: { readonly wait: number; readonly command: string },
): Promise<RunReport> {
  const path = `${state.path}/lock`
  state.check()
  // Report mistakes in the input before writing anything, but not while another run may change what recipes read.
  const early = lockHolder(path) === null ? { last: state.runs().at(-1), plan: await compileFirst() } : null
  state.prepare()
  const lock = await acquireLock(path, command, seconds(wait), (holder) =>
    note(`waiting for process ${holder.pid} (${holder.command}) of ${holder.user}, at work since ${holder.since}`),
  )
  let stillRunning = false
  try {
    const last = state.runs().at(-1) ?? 'none'
    const waited = await awaitCommandsOf(last, state.path, seconds(Math.max(wait, commandWait)), (message) =>
      note(`${message}; waiting for it`),
    )
    // A run in between may have changed the state, e.g. which release is current.
    const plan = early !== null && !waited && early.last === state.runs().at(-1) ? early.plan : compileNow()
    tellWarnings()
    const go = async (one: Plan) => {
      const id = state.nextRun()
      const report = await interruptible((interrupted) =>
        converge(one, host, {
          id,
          mode: 'run',
          journal: state.journalPath(id),
          handlers: [output, journal(state, id), ...handlers],
          secrets,
          interrupted,
          onTimeout: () => killRunning('SIGTERM'),
        }),
      )
      stillRunning = report.stillRunning === true
      return report
    }
    const report = await go(plan)
    const recovery = stillRunning ? null : recoveryOf(report)
    if (recovery === null) return report
    note(`${recovery.role}: ${recovery.event}, since what was deployed failed`)
    const second = recoveryPlan(() => compileNow(recovery), warn)
    if (second !== null) await go(second)
    // The requested run has failed, whether or not the failure was repaired.
    return stillRunning ? { ...report, stillRunning } : report
  } finally {
    // While commands still run, only the end of this process may free the lock for the next run.
    if (stillRunning) killRunning('SIGKILL')
    else lock.release()
    await host.close()
  }
}

function recoveryOf({ outcome, resources }: RunReport): Recovery | null {
  if (outcome !== 'failed') return null
  for (const { role, failure } of resources) if (failure?.recovery) return { role, event: failure.recovery }
  return null
}

/** Returns null if there is no earlier release to recover, as after a first deploy that failed. */
function recoveryPlan(make: () => Plan, warn: (message: string) => void): Plan | null {
  try {
    return make()
  } catch (error) {
    const { message, hint } = asConvergeError(error)
    warn(`that cannot be done: ${message}${hint === undefined ? '' : ` (${hint})`}`)
    return null
  }
}

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Handles SIGINT, SIGTERM and a terminal that hangs up. At the first signal, the run finishes the current resource.
 * At the second, it ends its commands and this process: the lock is freed, and the next run finishes the work.
 */
async function interruptible<T>(work: (interrupted: () => boolean) => Promise<T>): Promise<T> {
  let asked = false
  const stop = () => {
    for (const signal of signals) process.off(signal, heard)
  }
  const heard = (signal: NodeJS.Signals) => {
    // Ignore SIGHUP without a terminal: nohup or a scheduler started the process.
    if (signal === 'SIGHUP' && !process.stdout.isTTY) return
    if (!asked) {
      asked = true
      process.stderr.write(`\n${signal}: finishing what is under way; once more to end it at once\n`)
      return
    }
    stop()
    killRunning('SIGKILL')
    process.stderr.write('\nended; the next run finishes the work\n')
    // The handlers are removed: the signal has its default effect on this process.
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, heard)
  try {
    return await work(() => asked)
  } finally {
    stop()
  }
}

async function outputOf(args: Arguments): Promise<Handlers> {
  const write = (text: string) => process.stdout.write(text)
  if (args.jsonOutput) return jsonLines(write, { unchanged: args.verbose === true, diff: await loadDiff() })
  return new Terminal({
    write,
    color: args.color ?? useColor(process.stdout),
    live: process.stdout.isTTY === true && process.env.TERM !== 'dumb',
    width: process.stdout.columns || 100,
    quiet: args.quiet === true,
    verbose: args.verbose === true,
  }).prepare()
}

function statusOf(report: RunReport, args: Arguments): ExitStatus {
  if (report.outcome === 'failed' || report.outcome === 'interrupted') return 1
  return args.detailedExitCode && report.outcome !== 'unchanged' ? 3 : 0
}

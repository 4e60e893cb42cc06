/** Runs `converge`, `converge plan`, and the commands that are named after an event. */
import type { Plan } from '../../compile/compile.ts'
import type { Role } from '../../compile/role.ts'
import { withSelection } from '../../compile/selection.ts'
import type { PlanVariant } from '../../converge/change_sources.ts'
import { converge } from '../../converge/engine.ts'
import { journal } from '../../converge/journal.ts'
import { awaitCommandsOf } from '../../host/command_guard.ts'
import { isJournalStream } from '../../host/journal_stream.ts'
import type { LocalHost } from '../../host/local.ts'
import { acquireLock, lockHolder } from '../../host/lock.ts'
import { hasMetricsDirectory, writeMetrics } from '../../host/metrics_file.ts'
import { openHost } from '../../host/open_host.ts'
import { killRunning } from '../../host/process.ts'
import { endDownloads } from '../../host/request.ts'
import { StateDirectory } from '../../host/state_directory.ts'
import { VirtualHost } from '../../host/virtual.ts'
import { asConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import { selectionOf } from '../../model/selection.ts'
import { seconds } from '../../model/units.ts'
import { loadDiff } from '../../report/diff.ts'
import type { Handlers, RunReport } from '../../report/events.ts'
import { jsonLines } from '../../report/json_lines.ts'
import { renderRunMetrics } from '../../report/run_metrics.ts'
import { Terminal } from '../../report/terminal.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { withWarnings } from '../inputs/input_warnings.ts'
import { eventsOf, warningText } from '../inputs/read_inputs.ts'
import { compileOrDiagnose, loadInputs } from '../inputs/run_inputs.ts'
import { useColor } from '../print.ts'
import { interruptible } from './interruptible.ts'
import { checkDeployLock } from './lock.ts'
import { compileRecoveries, type Recovery, recoveryOf } from './recovery.ts'
import { type PlanApplication, type PlannedRun, PlanSaving } from './saved_plan.ts'

/** Minimum time that a run waits for a command of a killed run to end. */
const commandWaitSeconds = 30

/** The input that a run and a dry run share. */
interface PreparedRun {
  readonly host: LocalHost
  /** See {@link RunOptions.prefix}. */
  readonly prefix: string | undefined
  readonly output: Handlers
  readonly plan: Plan
  readonly recoveries: readonly Recovery[]
  readonly handlers: readonly Handlers[]
  readonly secrets: Secrets
  readonly warn: (message: string) => void
  readonly note: (message: string) => void
  /** Compiles the plans by which a dry run explains its changes; null without --explain. */
  readonly findVariants: (() => Promise<PlanVariant[]>) | null
  /** Prints the warnings about attributes. */
  readonly printWarnings: () => void
  /** Renders the metrics of a run of this host. */
  readonly renderMetrics: (report: RunReport) => Promise<string>
}

/** @param builtInRole a built-in role to run instead of the requested ones */
export async function runCommand<N>(
  args: Arguments,
  requestedEvents: readonly string[] | null,
  isDryRun: boolean,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  endProcess: () => void,
  builtInRole?: Role<N>,
  application?: PlanApplication,
): Promise<ExitStatus> {
  const events = eventsOf(requestedEvents)
  const saving = args.out === undefined ? undefined : new PlanSaving(args.out, args, events)
  const inputs = await loadInputs(args, catalogue, secrets, {
    needsRole: builtInRole === undefined,
    runId: application?.saved.id ?? saving?.id,
    ...(builtInRole === undefined ? { events } : {}),
  })
  const roles = builtInRole === undefined ? inputs.roles : [builtInRole]
  const host = await openHost(inputs.stateDirectory)
  const checkLock = () => checkDeployLock(inputs.stateDirectory, events, isDryRun, application?.by ?? args.by)
  checkLock()
  const output = await outputOf(args)
  const warn = (message: string) => output.warn?.(secrets.mask(message))
  const note = (message: string) => output.note?.(secrets.mask(message))
  const unprinted = inputs.mergedNode.warnings.map(warningText)
  const compile = () => inputs.compile(events, roles)
  const report = await withWarnings(
    () => unprinted,
    async () => {
      const plan =
        builtInRole === undefined ? await compileOrDiagnose(compile, () => inputs.diagnose(events)) : compile()
      const rolesNamed = (name: string) => roles.filter((role) => role.name === name)
      const prefix = catalogue.prefix(inputs.buildRecipeNode(events))
      const prepared: PreparedRun = {
        host,
        // An ordinary user cannot change the system anyway, and hooks are a part of it.
        prefix: host.isRoot && prefix !== '/' && builtInRole === undefined ? prefix : undefined,
        output,
        plan: selectedPlan(plan, args),
        recoveries: isDryRun ? [] : compileRecoveries(plan, (event, role) => inputs.compile([event], rolesNamed(role))),
        handlers: inputs.user.handlers,
        secrets,
        findVariants: args.explain
          ? async () => {
              const { planVariants } = await import('../inputs/plan_variants.ts')
              return planVariants(inputs.mergedNode, host, (node) => inputs.compileFor(node, events))
            }
          : null,
        warn,
        note,
        printWarnings() {
          // Check again: somebody may have locked deploys while this run waited for another one.
          const lock = checkLock()
          if (lock !== null) warn(lock)
          for (const warning of unprinted.splice(0)) warn(warning)
        },
        async renderMetrics(report) {
          const releases = await catalogue.runningReleases(inputs.buildRecipeNode(events), host, roles)
          return secrets.mask(renderRunMetrics(report, releases, catalogue.version))
        },
      }
      const planned = (bound: Plan) => ({ args, catalogue, inputs, secrets, host, plan: bound })
      if (isDryRun) return dryRun(prepared, planned, { saving, application })
      return run(prepared, new StateDirectory(inputs.stateDirectory), {
        wait: args.wait ?? 0,
        check: application && ((bound) => checkPlan(application, prepared, planned(bound))),
        command: `converge ${roles.map(({ name }) => name).join(',')} ${events.join(',')}`,
      })
    },
  )
  if (report.stillRunning) endProcess()
  return statusOf(report, args)
}

/** Limits a plan, when it is bound, to the resources that --only and --skip select. */
function selectedPlan(plan: Plan, args: Arguments): Plan {
  const selection = selectionOf(args)
  return { ...plan, bind: (host) => withSelection(plan.bind(host), selection) }
}

async function dryRun<N>(
  { host, prefix, output, plan, handlers, secrets, note, findVariants, printWarnings }: PreparedRun,
  planned: (bound: Plan) => PlannedRun<N>,
  {
    saving,
    application,
  }: { readonly saving?: PlanSaving | undefined; readonly application?: PlanApplication | undefined },
): Promise<RunReport> {
  const recorder = saving?.recorder(new StateDirectory(host.stateDirectory), secrets) ?? application?.recorder(secrets)
  const bound = plan.bind(host)
  printWarnings()
  const variants = (await findVariants?.()) ?? undefined
  const report = await interruptible((interrupted) =>
    converge(bound, new VirtualHost({ base: host }), {
      id: 'plan',
      mode: 'plan',
      variants,
      prefix,
      handlers: [output, ...(recorder === undefined ? [] : [recorder.handlers]), ...handlers],
      secrets,
      interrupted,
      onChange: recorder?.onChange,
    }),
  )
  if (recorder === undefined || report.outcome === 'interrupted') return report
  await application?.check(planned(bound), recorder, report)
  if (saving === undefined) return report
  if (report.outcome === 'failed') note(`the plan failed, so it is not saved in ${saving.path}`)
  else {
    await saving.save(planned(bound), recorder)
    note(`the plan is saved: converge apply ${saving.path}`)
  }
  return report
}

/** @throws ConvergeError if the run would differ from the saved plan */
async function checkPlan<N>(
  application: PlanApplication,
  { host, prefix, secrets }: PreparedRun,
  planned: PlannedRun<N>,
): Promise<(run: string) => void> {
  const recorder = application.recorder(secrets)
  const report = await converge(planned.plan, new VirtualHost({ base: host }), {
    id: 'plan',
    mode: 'plan',
    prefix,
    handlers: [recorder.handlers],
    secrets,
    onChange: recorder.onChange,
  })
  await application.check(planned, recorder, report)
  return (run) => {
    if (report.outcome !== 'unchanged') host.record(application.recordKey, run)
  }
}

async function run(
  { host, prefix, output, plan, recoveries, handlers, secrets, warn, note, printWarnings, renderMetrics }: PreparedRun,
  state: StateDirectory,
  {
    wait,
    command,
    check,
  }: {
    readonly wait: number
    readonly command: string
    /** Compares the bound plan with a saved one; the result records the run that applies it. */
    readonly check?: ((bound: Plan) => Promise<(run: string) => void>) | undefined
  },
): Promise<RunReport> {
  const path = `${state.path}/lock`
  state.check()
  // Report what this host refuses before writing anything, but not while another run may change what the queries read.
  if (lockHolder(path) === null) plan.bind(host)
  state.prepare()
  const lock = await acquireLock(path, command, seconds(wait), (holder) =>
    note(`waiting for process ${holder.pid} (${holder.command}) of ${holder.user}, at work since ${holder.since}`),
  )
  let stillRunning = false
  try {
    const last = state.runs().at(-1) ?? 'none'
    await awaitCommandsOf(last, state.path, seconds(Math.max(wait, commandWaitSeconds)), (message) =>
      note(`${message}; waiting for it`),
    )
    const bound = plan.bind(host)
    printWarnings()
    const recordApplied = await check?.(bound)
    const diff = await loadDiff()
    const convergePlan = async (one: Plan) => {
      const id = state.nextRun()
      const report = await interruptible((interrupted) =>
        converge(one, host, {
          id,
          mode: 'run',
          prefix,
          isCopy: process.env.CONVERGE_VERIFY === 'copy',
          journal: state.journalPath(id),
          handlers: [output, journal(state, id, diff), ...handlers],
          secrets,
          interrupted,
          onTimeout: () => {
            killRunning('SIGTERM')
            endDownloads()
          },
        }),
      )
      stillRunning = report.stillRunning === true
      return report
    }
    recordApplied?.(state.nextRun())
    const report = await convergePlan(bound)
    const recovery = stillRunning ? null : recoveryOf(report, recoveries)
    if (recovery !== null) {
      note(`${recovery.role}: ${recovery.event}, since what was deployed failed`)
      const recoveryPlan = recovery.bind(host, warn)
      if (recoveryPlan !== null) await convergePlan(recoveryPlan)
    }
    if (prefix === undefined && host.isRoot) await recordMetrics(() => renderMetrics(report), warn)
    // The requested run has failed, whether or not the failure was repaired.
    return stillRunning ? { ...report, stillRunning } : report
  } finally {
    // While commands still run, only the end of this process may free the lock for the next run.
    if (stillRunning) killRunning('SIGKILL')
    else lock.release()
    await host.close()
  }
}

/** Writes the metrics of a run; a failure is a warning, since the run itself is over. */
async function recordMetrics(render: () => Promise<string>, warn: (message: string) => void): Promise<void> {
  if (!hasMetricsDirectory()) return
  try {
    writeMetrics(await render())
  } catch (error) {
    warn(`the metrics of this run are not written: ${asConvergeError(error).message}`)
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
    journal: isJournalStream(process.stdout.fd),
    verbose: args.verbose === true,
  }).prepare()
}

function statusOf(report: RunReport, args: Arguments): ExitStatus {
  if (report.outcome === 'failed' || report.outcome === 'interrupted') return 1
  return args.detailedExitCode && report.outcome !== 'unchanged' ? 3 : 0
}

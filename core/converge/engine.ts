/** Converges a plan on a host: takes its resources in order until all are done or one fails; the same for a dry run. */
import type { Plan } from '../compile/compile.ts'
import type { Host } from '../host/types.ts'
import type { PlannedResource } from '../model/resource.ts'
import { Secrets } from '../model/secrets.ts'
import type { RunReport } from '../report/events.ts'
import { ChangeMarks } from './change_marks.ts'
import { FormerSecrets } from './former_secrets.ts'
import { isLeftOut, LeftOutSteps } from './left_out.ts'
import { ListedPaths } from './listed_paths.ts'
import { orderResources } from './order.ts'
import { ResourceOutputs } from './outputs.ts'
import { ReadAhead } from './read_ahead.ts'
import { Reporter } from './reporter.ts'
import { contextOf, type Run, type RunOptions } from './run.ts'
import { Step } from './step.ts'

/**
 * Converges a plan on a host, once it is bound to it.
 * @throws what `plan.bind` throws, before anything else, and what a handler throws; what fails on the host is in the report
 */
export async function converge(compiled: Plan, host: Host, options: RunOptions): Promise<RunReport> {
  const startedAt = performance.now()
  const plan = compiled.bind(host)
  const run = newRun(plan, host, options)
  const { id, mode, interrupted } = options
  const { roles, events, selection, leftOut } = plan
  const head = {
    id,
    mode,
    roles,
    events,
    ...(selection && { selection: run.secrets.maskDeep(selection) }),
    started: new Date().toISOString(),
  }
  const chosenCount = plan.resources.length - (leftOut?.size ?? 0)
  run.reporter.start({ ...head, resources: chosenCount })
  for (const warning of plan.warnings) run.reporter.warn(warning)
  for (const note of plan.notes) run.reporter.note(note)
  await prepare(plan)
  const resources = (await precheck(run)) ? await resourcesInOrder(run) : []
  const failedBefore = run.reporter.counts.failed
  await run.ahead.start(resources)
  let started = 0
  let isInterrupted = false
  for (const resource of resources) {
    isInterrupted = interrupted?.() ?? false
    if (isInterrupted) break
    if (isLeftOut(plan, resource)) {
      await new Step(run, resource).readLeftOut()
      continue
    }
    started++
    const step = new Step(run, resource).run()
    if (step instanceof Promise) await step
    if (run.failed) break
  }
  return run.reporter.end(head, {
    durationMs: performance.now() - startedAt,
    outcome: outcomeOf(run, isInterrupted),
    notReached: chosenCount - failedBefore - started,
    ...(leftOut && { leftOut: leftOut.size }),
    ...(run.stillRunning ? { stillRunning: true } : {}),
  })
}

function newRun(plan: Plan, host: Host, options: RunOptions): Run {
  const secrets = options.secrets ?? new Secrets()
  const marks = new ChangeMarks(host, plan.listed)
  const run: Run = {
    plan,
    host,
    options,
    secrets,
    marks,
    former: new FormerSecrets(host, secrets),
    outputs: new ResourceOutputs(plan.needed, marks),
    listed: new ListedPaths(plan.resources),
    ahead: new ReadAhead(host, (resource) => contextOf(run, resource, null)),
    reporter: new Reporter(options.handlers ?? [], secrets),
    unconverged: new LeftOutSteps(plan),
    failed: false,
    stillRunning: false,
  }
  return run
}

async function prepare(plan: Plan): Promise<void> {
  for (const definition of new Set(plan.resources.map((resource) => resource.definition)))
    await definition.implementation.prepare?.()
}

/**
 * Reports everything that keeps a resource from having its effect, all at once, before the first change.
 * @returns whether the run can begin
 */
async function precheck(run: Run): Promise<boolean> {
  for (const resource of run.plan.resources) {
    if (isLeftOut(run.plan, resource)) continue
    const { check, precheck } = resource.definition.implementation
    if (check !== undefined) new Step(run, resource).check()
    if (precheck !== undefined) await new Step(run, resource).precheck()
  }
  return !run.failed
}

/** Returns the resources in the order of the run; none where the run cannot begin. */
async function resourcesInOrder(run: Run): Promise<readonly PlannedResource[]> {
  const { resources, unreadable } = orderResources(run.host, run.plan.resources)
  for (const resource of unreadable) if (!isLeftOut(run.plan, resource)) await new Step(run, resource).makeReadable()
  return run.failed ? [] : resources
}

function outcomeOf({ failed, reporter }: Run, isInterrupted: boolean): RunReport['outcome'] {
  const { changed, planned, unknown } = reporter.counts
  if (failed) return 'failed'
  if (isInterrupted) return 'interrupted'
  if (changed > 0) return 'changed'
  return planned + unknown > 0 ? 'planned' : 'unchanged'
}

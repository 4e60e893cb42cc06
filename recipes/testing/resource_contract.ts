/** Checks the contract that every resource type must meet, with a table of cases. */
import { isDeepStrictEqual } from 'node:util'
import { compile, type Plan } from '../../core/compile/compile.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { ResourceFunction } from '../../core/model/resource.ts'
import type { FailureReport, ResourceReport, RunReport } from '../../core/report/events.ts'
import { type BeforeChange, failAssertion, TestHost, type TestHostOptions } from './host.ts'

/** The expectations of one case. */
export interface Expectations {
  /**
   * The expected change, as lines `op path` or `op path = value`, such as `replace /content = "x"`; a line may be the
   * beginning of the actual one. `[]`: nothing changes. Default: not checked.
   */
  readonly changes?: readonly string[] | undefined
  /** A part of the message, hint or output of the expected failure. Default: the resource must not fail. */
  readonly fails?: string | RegExp | undefined
  /** Whether a dry run cannot predict these effects, so that its patch is not compared. Default false. */
  readonly unpredictable?: boolean | undefined
}

/** One case of a resource type. */
export interface ContractCase<P> extends Expectations {
  /** Name of the test. */
  readonly name: string
  /** Properties of the resource. */
  readonly props: P
  /** The host before the run; default: an empty one. */
  readonly host?: TestHostOptions | undefined
  /** Checks the host after the run, also after an expected failure. */
  readonly then?: ((host: TestHost) => void | Promise<void>) | undefined
}

/** A test for any runner: `test(one.name, one.run)`. */
export interface ContractTest {
  readonly name: string
  /** @throws AssertionError with the part of the contract that does not hold */
  readonly run: () => Promise<void>
}

/** A function that declares a resource, such as a resource type, or a function that declares it with further properties. */
type Declaration<P> = ResourceFunction<P> | ((r: Recipe<unknown>, props: P) => unknown)

/**
 * Returns one test for each case of a resource type, which checks the contract:
 *
 * - A dry run writes nothing, and predicts the patch of the run.
 * - The run succeeds, and the state that is read back is the desired one.
 * - A second run changes nothing.
 * - After a run that was killed at any of its changes, the next run completes the work.
 *
 * @param type the function of the type, such as `file`
 * @param cases properties, and the expected changes or the expected failure
 * @example
 * for (const { name, run } of resourceContract(login_banner, [
 *   { name: 'writes the text', props: { text: 'Production\n' }, changes: ['replace /content'] },
 *   { name: 'leaves the same text alone', props: { text: 'x\n' }, host: { files: { '/etc/issue': 'x\n' } }, changes: [] },
 * ])) test(name, run)
 */
export function resourceContract<P>(
  type: Declaration<P>,
  cases: readonly ContractCase<NoInfer<P>>[],
): readonly ContractTest[] {
  return cases.map((one) => ({
    name: one.name,
    run: () =>
      checkContract({
        ...one,
        plan: () => declaredBy((r) => (type as (r: Recipe<unknown>, props: P) => unknown)(r, one.props)),
        host: (beforeChange) => new TestHost(one.host, beforeChange),
      }),
  }))
}

/** A case whose plan and host the caller builds. */
export interface CheckedCase<H extends VirtualHost> extends Expectations {
  readonly plan: () => Plan
  /** Builds the host before the run. */
  readonly host: (beforeChange?: BeforeChange) => H
  readonly then?: ((host: H) => void | Promise<void>) | undefined
}

/** Compiles a recipe of one event without attributes. */
export function declaredBy(declare: (r: Recipe<unknown>) => void): Plan {
  return compile([role<unknown>('test', { deploy: (r) => declare(r) })], ['deploy'], {})
}

/** Converges a plan; a failure is in the report. */
export function runPlan(plan: Plan, host: VirtualHost, mode: 'run' | 'plan' = 'run'): Promise<RunReport> {
  if (host instanceof TestHost) host.beginRun()
  return converge(plan, host, { id: 'test', mode })
}

/** Formats the changes of a run, one operation of its patches a line. */
export function patchOf(report: RunReport): string[] {
  return report.resources.flatMap(patchLines)
}

/** Formats the changes of a resource: `op path = value`. */
export function patchLines({ patch = [] }: Pick<ResourceReport, 'patch'>): string[] {
  return patch.map(({ op, path, ...rest }) =>
    'value' in rest ? `${op} ${path} = ${JSON.stringify(rest.value)}` : `${op} ${path}`,
  )
}

/** Returns the failure of the first resource that failed. */
export function failureOf(report: RunReport): FailureReport | undefined {
  return report.resources.find((resource) => resource.outcome === 'failed')?.failure
}

/** A kill of the run. */
class Killed extends Error {}

/** @throws AssertionError with the part of the contract that does not hold */
export async function checkContract<H extends VirtualHost>(one: CheckedCase<H>): Promise<void> {
  const host = one.host()
  const before = host.changes.length
  const dry = await runPlan(one.plan(), new VirtualHost({ base: host }), 'plan')
  equal(host.changes.slice(before), [], 'the dry run changed the host')
  const real = await runPlan(one.plan(), host)
  if (one.fails !== undefined) {
    expectFailure(real, one.fails)
    await one.then?.(host)
    return
  }
  noFailure(real, 'the run failed')
  if (one.unpredictable !== true)
    equal(patchOf(dry), patchOf(real), 'the dry run predicted another change than the run made')
  if (one.changes !== undefined) expectChanges(patchOf(real), one.changes)
  await one.then?.(host)
  const again = await runPlan(one.plan(), host)
  noFailure(again, 'the second run failed')
  equal(patchOf(again), [], 'the second run made changes')
  const changes = host.changes.length - before
  for (let at = 1; at <= changes; at++) await killedAt(at, one)
}

async function killedAt<H extends VirtualHost>(at: number, one: CheckedCase<H>): Promise<void> {
  let armed = true
  let count = 0
  const host = one.host(() => {
    count++
    // From here on nothing changes: code that would clean up after a failure does not run either.
    if (armed && count >= at) throw new Killed(`killed at change ${at}`)
  })
  await runPlan(one.plan(), host)
  armed = false
  const repaired = await runPlan(one.plan(), host)
  noFailure(repaired, `after a kill at change ${at}, the next run failed`)
  const last = await runPlan(one.plan(), host)
  equal(patchOf(last), [], `after a kill at change ${at}, the next run did not complete the work`)
  await one.then?.(host)
}

function expectChanges(actual: readonly string[], expected: readonly string[]): void {
  const holds = actual.length === expected.length && expected.every((line, at) => actual[at]?.startsWith(line))
  if (!holds) failAssertion('the run made other changes than expected', actual, expected)
}

function expectFailure(report: RunReport, expected: string | RegExp): void {
  const failure = failureOf(report)
  if (failure === undefined) failAssertion('the run did not fail', 'no failure', expected)
  const text = `${failure.message} ${failure.hint ?? ''} ${failure.output ?? ''}`
  const matches = typeof expected === 'string' ? text.includes(expected) : expected.test(text)
  if (!matches) failAssertion(`the run failed for another reason than ${expected}`, text, expected)
}

function noFailure(report: RunReport, what: string): void {
  const failure = failureOf(report)
  if (failure === undefined) return
  const { message, hint, source } = failure
  const suffix = source === undefined ? '' : ` (${source.file}:${source.line ?? 1})`
  failAssertion(`${what}: ${message}${suffix}${hint === undefined ? '' : `\nhint: ${hint}`}`, failure, undefined)
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected)) failAssertion(what, actual, expected)
}

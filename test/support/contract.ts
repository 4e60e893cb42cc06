/** Runs tables of test cases against a resource type, and checks the contract that every type must meet. */
import type { Test } from 'tap'
import { compile, type Plan } from '../../core/compile/compile.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import type { Declare } from '../../core/model/resource.ts'
import type { ResourceReport, RunReport } from '../../core/report/events.ts'

export interface Case<P> {
  readonly name: string
  readonly props: P
  /** Sets up the host before the resource reads its state. */
  readonly given?: (host: VirtualHost) => void
  readonly host?: VirtualOptions
  /** The expected patch, as `op path` or `op path = value`; empty: no change. */
  readonly changes?: readonly string[]
  /** Checks the host after the run. */
  readonly then?: (t: Test, host: VirtualHost) => void
  /** Part of the message or hint of the expected failure. */
  readonly fails?: string | RegExp
  /** Whether a dry run cannot predict these effects, so that its patch is not compared. Default false. */
  readonly unpredictable?: boolean
}

type Declaration<P> = Declare<P, never> | ((r: Recipe<unknown>, props: P) => unknown)

export function planOf(declare: (r: Recipe<unknown>) => void): Plan {
  return compile([role<unknown>('test', { deploy: (r) => declare(r) })], ['deploy'], {})
}

export function run(plan: Plan, host: VirtualHost, mode: 'run' | 'plan' = 'run'): Promise<RunReport> {
  return converge(plan, host, { id: 'test', mode })
}

export function patchOf(report: RunReport): string[] {
  return report.resources.flatMap((resource: ResourceReport) =>
    (resource.patch ?? []).map(({ op, path, ...rest }) =>
      'value' in rest ? `${op} ${path} = ${JSON.stringify(rest.value)}` : `${op} ${path}`,
    ),
  )
}

class Killed extends Error {}

/**
 * Checks a type: a dry run writes nothing and predicts the patch; the state read back matches; a second run changes
 * nothing; after a kill at any change, the next run converges.
 */
export async function contract<P>(t: Test, declare: Declaration<P>, cases: readonly Case<P>[]): Promise<void> {
  const plan = (props: P) => planOf((r) => (declare as (r: Recipe<unknown>, props: P) => unknown)(r, props))
  const fresh = (one: Case<P>, options: VirtualOptions = {}) => {
    const host = new VirtualHost({ ...one.host, ...options })
    one.given?.(host)
    return host
  }
  for (const one of cases) {
    await t.test(one.name, async (t) => {
      const host = fresh(one)
      const before = host.changes.length
      const dry = await run(plan(one.props), new VirtualHost({ base: host }), 'plan')
      t.equal(host.changes.length, before, 'a dry run changes nothing')
      const real = await run(plan(one.props), host)
      if (one.fails !== undefined) return expectFailure(t, real, one.fails)
      t.strictSame(failureOf(real), undefined, 'no failure')
      if (!one.unpredictable) t.strictSame(patchOf(dry), patchOf(real), 'the dry run told the patch')
      if (one.changes !== undefined) {
        const told = patchOf(real)
        t.equal(told.length, one.changes.length, `number of operations: ${told.join('; ')}`)
        for (const [index, expected] of one.changes.entries())
          t.ok(told[index]?.startsWith(expected), `${told[index]} is ${expected}`)
      }
      one.then?.(t, host)
      const again = await run(plan(one.props), host)
      t.strictSame(patchOf(again), [], 'a second run changes nothing')
      t.strictSame(failureOf(again), undefined, 'nor does it fail')
      const changes = host.changes.length - before
      for (let at = 1; at <= changes; at++) await killedAt(t, at, one, fresh, plan)
    })
  }
}

async function killedAt<P>(
  t: Test,
  at: number,
  one: Case<P>,
  fresh: (one: Case<P>, options: VirtualOptions) => VirtualHost,
  plan: (props: P) => Plan,
): Promise<void> {
  let armed = true
  let count = 0
  const host = fresh(one, {
    beforeChange: () => {
      count++
      // From here on nothing changes: code that would clean up after a failure does not run either.
      if (armed && count >= at) throw new Killed(`killed at change ${at}`)
    },
  })
  await run(plan(one.props), host)
  armed = false
  const mended = await run(plan(one.props), host)
  t.strictSame(failureOf(mended), undefined, `killed at change ${at}, the next run does not fail`)
  const last = await run(plan(one.props), host)
  t.strictSame(patchOf(last), [], `killed at change ${at}, the next run finishes the work`)
  one.then?.(t, host)
}

export function failureOf(report: RunReport): unknown {
  return report.resources.find((resource) => resource.outcome === 'failed')?.failure
}

function expectFailure(t: Test, report: RunReport, expected: string | RegExp): void {
  const failure = report.resources.find((resource) => resource.outcome === 'failed')?.failure
  t.match(`${failure?.message} ${failure?.hint ?? ''} ${failure?.output ?? ''}`, expected)
}

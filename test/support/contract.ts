/** Runs tables of test cases against a resource type as tests of tap; the test kit of recipes has the contract. */
import type { Test } from 'tap'
import type { Recipe } from '../../core/compile/role.ts'
import { VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import type { ResourceFunction } from '../../core/model/resource.ts'
import type { RunReport } from '../../core/report/events.ts'
import * as kit from '../../recipes/testing/resource_contract.ts'
import { checkContract, declaredBy, type Expectations, runPlan } from '../../recipes/testing/resource_contract.ts'

export { patchOf } from '../../recipes/testing/resource_contract.ts'
export { declaredBy as planOf, runPlan as run }

export interface Case<P> extends Expectations {
  readonly name: string
  readonly props: P
  /** Sets up the host before the resource reads its state. */
  readonly given?: (host: VirtualHost) => void
  readonly host?: VirtualOptions
  /** Checks the host after the run, also after an expected failure. */
  readonly then?: (t: Test, host: VirtualHost) => void
}

type Declaration<P> = ResourceFunction<P> | ((r: Recipe<unknown>, props: P) => unknown)

/** Checks a type with each case as a test. */
export async function contract<P>(t: Test, declare: Declaration<P>, cases: readonly Case<NoInfer<P>>[]): Promise<void> {
  for (const { name, props, given, host: options, then, ...expected } of cases)
    await t.test(name, (t) =>
      checkContract({
        ...expected,
        plan: () => declaredBy((r) => (declare as (r: Recipe<unknown>, props: P) => unknown)(r, props)),
        host(beforeChange) {
          const host = new VirtualHost({ ...options, beforeChange })
          given?.(host)
          return host
        },
        then: (host) => then?.(t, host),
      }),
    )
}

export function failureOf(report: RunReport): unknown {
  return kit.failureOf(report)
}

/** The result of a role on a test host: its resources, their changes and the files, with assertions. */
import { isDeepStrictEqual } from 'node:util'
import { nearestName } from '../../core/model/nearest.ts'
import type { ResourceFunction } from '../../core/model/resource.ts'
import type { Outcome, ResourceReport, RunReport } from '../../core/report/events.ts'
import { failAssertion, type TestHost } from './host.ts'
import { patchLines } from './resource_contract.ts'

/** A resource of a role, after a plan or a run. */
export interface TestedResource {
  /** `type key`, as `converge plan` prints it. */
  readonly name: string
  readonly type: string
  readonly key: string
  /** Name of the role that declares it. */
  readonly role: string
  readonly event: string
  /**
   * `changed` after a run, `planned` after a plan, `unchanged`, `skipped` by a guard, `unknown` if a plan cannot predict it, or
   * `not reached` after a failure.
   */
  readonly outcome: Outcome | 'not reached'
  /** The properties as declared, with their defaults. Values that only a run knows are references. */
  readonly props: Readonly<Record<string, unknown>>
  /** The change, one operation a line: `replace /mode = "0644"`. */
  readonly changes: readonly string[]
}

/** The function of a resource type, such as `file`, or the name of the type. */
export type ResourceName<P> = string | ResourceFunction<P>

/** Properties to compare; omitted ones are not checked. */
type SomeProps<P> = { readonly [K in keyof P]?: unknown }

/** The parts of a result that `plan` and `converge` collect. */
export interface TestRunParts {
  readonly report: RunReport
  readonly host: TestHost
  readonly resources: readonly TestedResource[]
  readonly notes: readonly string[]
  readonly snapshot: string
}

/** The result of `plan`, `converge` or `verify`. */
export class TestRun {
  /** The host. After `plan` it is unchanged. */
  readonly host: TestHost
  /** All declared resources, in order. */
  readonly resources: readonly TestedResource[]
  /** Warnings of the attributes, the recipes and the resources. */
  readonly warnings: readonly string[]
  /** Messages that require no action. */
  readonly notes: readonly string[]
  /** The report, as `--json-output` prints it. */
  readonly report: RunReport
  private readonly text: string

  constructor({ report, host, resources, notes, snapshot }: TestRunParts) {
    this.report = report
    this.host = host
    this.resources = resources
    this.warnings = report.warnings
    this.notes = notes
    this.text = snapshot
  }

  /**
   * Returns the run as text for a reviewer: the resources in order with their changes, then the files that were written,
   * with modes and owners. Secrets are masked. The same run gives the same text.
   * @example assertSnapshot(await converge(motd), new URL('motd.snapshot.txt', import.meta.url))
   */
  snapshot(): string {
    return this.text
  }

  /**
   * Returns a declared resource.
   * @param type function of the type, such as `file`, or its name
   * @param key of the resource, such as the path of a file
   * @throws AssertionError with the nearest name, if the role does not declare it
   * @example run.resource(file, '/etc/motd').outcome
   */
  resource<P>(type: ResourceName<P>, key: string): TestedResource {
    const expected = `${nameOf(type)} ${key}`
    const found = this.resources.find(({ name }) => name === expected)
    if (found !== undefined) return found
    const names = this.resources.map(({ name }) => name)
    const near = nearestName(expected, names)
    const others = near === undefined ? `it declares: ${names.join(', ') || 'nothing'}` : `the nearest is ${near}`
    return failAssertion(`the role does not declare ${expected}; ${others}`, names, expected)
  }

  /**
   * Asserts that the role declares a resource with these properties.
   * @param type function of the type, such as `file`, or its name
   * @param key of the resource
   * @param props the properties to compare; default: none
   * @throws AssertionError with the actual properties
   * @example run.assertResource(file, '/etc/motd', { content: 'Welcome\n', mode: '0644' })
   */
  assertResource<P>(type: ResourceName<P>, key: string, props: SomeProps<P> = {}): void {
    const { name, props: declared } = this.resource(type, key)
    const names = Object.keys(props)
    const actual = Object.fromEntries(names.map((one) => [one, declared[one]]))
    for (const one of names)
      if (!isDeepStrictEqual(declared[one], (props as Record<string, unknown>)[one]))
        failAssertion(`${name} has another ${one}`, actual, props)
  }

  /**
   * Asserts that the role does not declare a resource.
   * @throws AssertionError if it does
   */
  assertNoResource<P>(type: ResourceName<P>, key: string): void {
    const name = `${nameOf(type)} ${key}`
    if (this.resources.some((one) => one.name === name)) failAssertion(`the role declares ${name}`, name, null)
  }

  /**
   * Asserts that these resources changed, or would change in a plan, and no others.
   * @param names `type key` of each, in order
   * @throws AssertionError with the actual names
   * @example run.assertChanged(['package nginx', 'file /etc/motd'])
   */
  assertChanged(names: readonly string[]): void {
    const changed = this.resources.filter(({ outcome }) => ['changed', 'planned', 'unknown'].includes(outcome))
    const actual = changed.map(({ name }) => name)
    if (!isDeepStrictEqual(actual, [...names]))
      failAssertion(`the changed resources are: ${actual.join(', ') || 'none'}`, actual, names)
  }

  /**
   * Asserts that nothing changed, or would change in a plan.
   * @throws AssertionError with the names of the changed resources
   */
  assertUnchanged(): void {
    this.assertChanged([])
  }
}

function nameOf<P>(type: ResourceName<P>): string {
  return typeof type === 'string' ? type : type.definition.type
}

/** Describes a resource of a plan with what a run reported about it. */
export function testedResource(
  planned: {
    readonly name: string
    readonly type: string
    readonly key: string
    readonly role: string
    readonly event: string
    readonly props: unknown
  },
  report: ResourceReport | undefined,
): TestedResource {
  const { name, type, key, role, event, props } = planned
  return {
    name,
    type,
    key,
    role,
    event,
    props: props as Readonly<Record<string, unknown>>,
    outcome: report?.outcome ?? 'not reached',
    changes: report === undefined ? [] : patchLines(report),
  }
}

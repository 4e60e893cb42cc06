/** Plans and converges roles on a test host. */
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { compile, defaultEvents, type Plan } from '../../core/compile/compile.ts'
import type { Role } from '../../core/compile/role.ts'
import { converge as convergePlan } from '../../core/converge/engine.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { definitionProblems, withOwnAttributes } from '../../core/load/own_attributes.ts'
import { describeLocation, throwProblems } from '../../core/model/errors.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { type Facts, neutralFacts } from '../../core/node/facts.ts'
import { withLocations } from '../../core/node/located.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import { loadDiff } from '../../core/report/diff.ts'
import type { FailureReport, ResourceReport, RunReport } from '../../core/report/events.ts'
import { recipeNode, type SiteNode } from '../node.ts'
import type { RoleAttributes } from '../role.ts'
import { fileTree } from './file_tree.ts'
import { failAssertion, TestHost, type TestHostOptions } from './host.ts'
import { failureOf } from './resource_contract.ts'
import { snapshotText } from './snapshot.ts'
import { TestRun, testedResource } from './test_run.ts'

/** How a test runs a role. */
export interface RoleTestOptions<N> {
  /** Attributes, as users set them in the JSON of a site. Default: the defaults. */
  readonly attributes?: RoleAttributes<N> | undefined
  /** An event, or several in order; default: setup, deploy, configure. */
  readonly event?: string | readonly string[] | undefined
  /** The host: the options of a new one, or a host that other runs have changed. Default: an empty Debian host. */
  readonly host?: TestHost | TestHostOptions | undefined
  /** Facts about the host, such as `{ cpu: { total: 4 } }`. Default: one CPU, host name `localhost`. */
  readonly facts?: Partial<Facts> | undefined
  /** Options of the command, such as `{ to: '000001' }` for a rollback. */
  readonly options?: Readonly<Record<string, string | boolean | undefined>> | undefined
}

/** A role, or several roles of one host in order. */
type Roles<N> = Role<N> | readonly Role<N>[]

/**
 * Plans a role on a test host, as `converge plan` does. The host stays unchanged.
 *
 * @param roles a role, or several in order
 * @param options attributes, event and host
 * @returns the declared resources, with what each would change
 * @throws InvalidInput for mistakes in the attributes and recipes, AssertionError if the plan fails
 * @example
 * const run = await plan(motd, { attributes: { motd: { text: 'Hello' } } })
 * run.assertResource(file, '/etc/motd', { content: 'Hello\n' })
 */
export async function plan<N = SiteNode>(roles: Roles<N>, options: RoleTestOptions<N> = {}): Promise<TestRun> {
  return assertSucceeded(await runRoles(roles, options, 'plan'))
}

/**
 * Converges a role on a test host, as `converge` does.
 *
 * @param roles a role, or several in order
 * @param options attributes, event and host
 * @returns the declared resources with their changes, and the changed host
 * @throws InvalidInput for mistakes in the attributes and recipes, AssertionError if the run fails, with the message and
 * hint of the resource
 * @example
 * const { host } = await converge(motd, { host: { files: { '/etc/motd': 'old\n' } } })
 * host.assertFile('/etc/motd', 'Welcome\n')
 */
export async function converge<N = SiteNode>(roles: Roles<N>, options: RoleTestOptions<N> = {}): Promise<TestRun> {
  return assertSucceeded(await runRoles(roles, options, 'run'))
}

/**
 * Converges a role twice, and checks the promises of a run: a dry run changes nothing and announces every change, the run
 * succeeds, and a second run changes nothing.
 *
 * @param roles a role, or several in order
 * @param options attributes, event and host
 * @returns the first run, on the converged host
 * @throws InvalidInput for mistakes in the attributes and recipes, AssertionError for the promise that does not hold
 * @example
 * test('the role converges', async () => {
 *   await verify(motd)
 * })
 */
export async function verify<N = SiteNode>(roles: Roles<N>, options: RoleTestOptions<N> = {}): Promise<TestRun> {
  const host = hostOf(options)
  const before = host.changes.length
  const dry = await plan(roles, { ...options, host })
  const written = host.changes.slice(before)
  if (written.length > 0) failAssertion(`the dry run changed the host: ${written.join('; ')}`, written, [])
  const first = await converge(roles, { ...options, host })
  const silent = new Set(dry.resources.filter(({ outcome }) => outcome === 'unchanged').map(({ name }) => name))
  const hidden = first.resources.filter(({ name, outcome }) => outcome === 'changed' && silent.has(name))
  if (hidden.length > 0)
    failAssertion(`the run made changes that the dry run did not announce: ${namesOf(hidden)}`, describe(hidden), [])
  const second = await converge(roles, { ...options, host })
  const repeated = second.resources.filter(({ outcome }) => outcome === 'changed')
  if (repeated.length > 0) failAssertion(`the second run made changes: ${namesOf(repeated)}`, describe(repeated), [])
  return first
}

function namesOf(resources: TestRun['resources']): string {
  return resources.map(({ name }) => name).join(', ')
}

function describe(resources: TestRun['resources']): string[] {
  return resources.flatMap(({ name, changes }) => [name, ...changes.map((line) => `  ${line}`)])
}

function hostOf<N>({ host }: RoleTestOptions<N>): TestHost {
  return host instanceof TestHost ? host : new TestHost(host)
}

async function runRoles<N>(oneOrMore: Roles<N>, options: RoleTestOptions<N>, mode: 'run' | 'plan'): Promise<TestRun> {
  const roles = [oneOrMore].flat() as readonly Role<N>[]
  const host = hostOf(options)
  const secrets = new Secrets()
  const { compiled, warnings } = compileRoles(roles, options, host, secrets)
  host.beginRun()
  const working = mode === 'plan' ? new VirtualHost({ base: host }) : host
  const before = fileTree(host)
  const reports = new Map<string, ResourceReport>()
  const notes: string[] = []
  const report = await convergePlan(compiled, working, {
    id: 'test',
    mode,
    secrets,
    handlers: [{ resource: (one) => void reports.set(one.name, one), note: (text) => void notes.push(text) }],
  })
  const declared = compiled.bind(host).resources
  const all: RunReport = { ...report, warnings: [...warnings, ...report.warnings] }
  const snapshot = snapshotText({
    mode,
    roles: report.roles,
    events: report.events,
    warnings: all.warnings,
    before,
    after: fileTree(working),
    resources: declared.map(({ name }) => ({ name, report: reports.get(name) })),
    diff: await loadDiff(),
    secrets,
  })
  return new TestRun({
    report: all,
    host,
    notes,
    resources: declared.map((one) => testedResource(one, reports.get(one.name))),
    snapshot,
  })
}

function compileRoles<N>(
  roles: readonly Role<N>[],
  { attributes = {}, event, facts = {}, options = {} }: RoleTestOptions<N>,
  host: TestHost,
  secrets: Secrets,
): { readonly compiled: Plan; readonly warnings: readonly string[] } {
  throwProblems(definitionProblems(attributeSchemas))
  const layers = [objectLayer(attributes as JsonObject, 'attributes of the test', 'deployment')]
  for (const role of roles) layers.push(objectLayer(role.attributes as JsonObject, `role ${role.name}`, 'role'))
  const { uid, gid, name } = host.self
  const known: Facts = { ...neutralFacts, uid, gid, user: name, group: host.groupById(gid)?.name ?? null, ...facts }
  const merged = buildNode({ layers, facts: known, schemas: withOwnAttributes(attributeSchemas), foreignKeys })
  for (const secret of merged.secrets) secrets.add(secret)
  secrets.useNames(merged.names)
  const events = event === undefined ? defaultEvents : [event].flat()
  const run = { id: 'test', events, by: 'test', options, roles: roles.map((role) => role.name) }
  const node = recipeNode(merged, run) as unknown as N
  const mask = (text: string) => secrets.mask(text)
  const compiled = withLocations(merged, () => compile(roles, events, node, { mask }))
  const warnings = merged.warnings.map(({ path, message }) => secrets.mask(`${path}: ${message}`))
  return { compiled, warnings }
}

function assertSucceeded(run: TestRun): TestRun {
  const failure = failureOf(run.report)
  if (failure !== undefined && run.report.outcome === 'failed') failAssertion(failureText(failure), failure, null)
  return run
}

function failureText({ resource, message, hint, source, output }: FailureReport): string {
  const suffix = source === undefined ? '' : ` (${describeLocation(source)})`
  const lines = [`${resource ?? 'the run'} failed: ${message}${suffix}`]
  if (output !== undefined && output !== '') lines.push(output)
  if (hint !== undefined) lines.push(`hint: ${hint}`)
  return lines.join('\n')
}

/** Runs `converge doctor`: checks without changes whether this host has what its roles require. */
import pLimit from 'p-limit'
import picocolors from 'picocolors'
import { compile, defaultEvents } from '../../compile/compile.ts'
import type { Finding, HostCheck } from '../../compile/inspection.ts'
import type { Role } from '../../compile/role.ts'
import type { LocalHost } from '../../host/local.ts'
import { openHost } from '../../host/open_host.ts'
import { asConvergeError, type ConvergeError, describeLocation, InvalidInput } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import { plain } from '../../report/printable.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { loadInputs, type RunInputs } from '../inputs/run_inputs.ts'
import { print, printJson, useColor } from '../print.ts'

type Status = Finding['status'] | 'unknown'

interface Result {
  readonly what: string
  readonly status: Status
  readonly detail: string
  readonly remedy?: string | undefined
}

/** Number of checks that run at once: most of them wait for a program or a server. */
const maxParallelChecks = 8
/** Time limit of a check. Commands have shorter limits of their own. */
const checkTimeoutMs = 30_000

const warningResult = { what: 'attributes', status: 'warning' } as const

export async function doctor<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const inputs = await loadInputs(args, catalogue, secrets)
  const host = await openHost(inputs.stateDirectory)
  const node = inputs.buildRecipeNode([...defaultEvents])
  const limit = pLimit(maxParallelChecks)
  const checks = await checksOf(inputs, node, host, catalogue)
  const checked = await Promise.all(checks.map((check) => limit(() => resultOf(check))))
  const warnings = inputs.mergedNode.warnings.map(
    (warning): Result => ({ ...warningResult, detail: warningText(warning) }),
  )
  const results = [...checked.flat(), ...warnings, ...attributeResults(inputs.roles, node, host)]
  return printResults(distinct(results), args, secrets)
}

async function checksOf<N>(
  { roles }: RunInputs<N>,
  node: N,
  host: LocalHost,
  catalogue: Catalogue<N>,
): Promise<readonly HostCheck[]> {
  const names = roles.map(({ name }) => name)
  const roleResults = await Promise.all(
    roles.map((role) => checksOrFailure(`checks of ${role.name}`, () => roleChecks(role, node, host, names))),
  )
  const common = await checksOrFailure('checks of the host', () => catalogue.checks(node, host, names))
  return [...roleResults.flat(), ...common]
}

/** Turns an exception while the checks are set up, such as for an invalid attribute, into a failed check. */
async function checksOrFailure(
  what: string,
  makeChecks: () => readonly HostCheck[] | Promise<readonly HostCheck[]>,
): Promise<readonly HostCheck[]> {
  try {
    return await makeChecks()
  } catch (error) {
    const run = () => {
      throw error
    }
    return [{ what, run }]
  }
}

async function roleChecks<N>(
  { inspect, checks }: Role<N>,
  node: N,
  host: LocalHost,
  names: readonly string[],
): Promise<readonly HostCheck[]> {
  if (checks !== undefined) return checks(node, host, names)
  const inspection = await inspect?.(node, host)
  return (inspection?.needs ?? []).map(({ what, met: isMet, detail, remedy }) => ({
    what,
    run: () => ({ status: isMet ? 'ok' : 'missing', detail, remedy }),
  }))
}

async function resultOf({ what, run }: HostCheck): Promise<Result[]> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${checkTimeoutMs / 1000} s`)), checkTimeoutMs)
  })
  try {
    const finding = await Promise.race([(async () => run())(), timeout])
    return finding === null ? [] : [{ what, ...finding }]
  } catch (error) {
    const { message, hint } = describeProblem(error)
    return [{ what, status: 'unknown', detail: `could not be checked: ${message}`, remedy: hint }]
  } finally {
    clearTimeout(timer)
  }
}

/** Compiles the roles to report refused attributes, with file and line, and the warnings that a run would print. */
function attributeResults<N>(roles: readonly Role<N>[], node: N, host: LocalHost): Result[] {
  const each = roles.map((role) => compileResults([role], `attributes of ${role.name}`, node, host))
  // Two valid roles may contradict each other: compile all together only if each is valid alone.
  const together =
    roles.length > 1 && each.flat().every(({ status }) => status !== 'missing')
      ? compileResults(roles, 'attributes', node, host).filter(({ status }) => status === 'missing')
      : []
  return [...each.flat(), ...together]
}

function compileResults<N>(roles: readonly Role<N>[], what: string, node: N, host: LocalHost): Result[] {
  try {
    const { warnings } = compile(roles, defaultEvents, node).bind(host)
    return warnings.map((detail) => ({ what, status: 'warning', detail }))
  } catch (error) {
    const failure = asConvergeError(error)
    const problems = failure instanceof InvalidInput ? failure.problems : [failure]
    return problems.map((problem) => {
      const { message, hint } = describeProblem(problem)
      return { what, status: 'missing', detail: message, remedy: hint }
    })
  }
}

function describeProblem(error: unknown): { readonly message: string; readonly hint: string | undefined } {
  if (error instanceof Error && !('code' in error)) return { message: error.message, hint: undefined }
  const { message, hint, source }: ConvergeError = asConvergeError(error)
  return { message: source === undefined ? message : `${describeLocation(source)}: ${message}`, hint }
}

/** Removes duplicates from several roles, and warnings about what is already reported as missing. */
function distinct(results: readonly Result[]): Result[] {
  const missing = results.filter(({ status }) => status === 'missing')
  const reported = new Set<string>()
  return results.filter(({ what, status, detail }) => {
    if (status === 'warning' && missing.some((one) => detail.startsWith(`${one.what} `))) return false
    const key = `${what}\0${detail}`
    if (reported.has(key)) return false
    reported.add(key)
    return true
  })
}

function printResults(results: readonly Result[], args: Arguments, secrets: Secrets): ExitStatus {
  const failed = results.some(({ status }) => status === 'missing' || status === 'unknown')
  if (args.jsonOutput) {
    const needs = results.map((result) => ({ ...result, met: result.status === 'ok' || result.status === 'warning' }))
    printJson(secrets.maskDeep({ needs, time: new Date().toISOString() }), 2)
    return failed ? 1 : 0
  }
  const isColored = args.color ?? useColor(process.stdout)
  const paint = picocolors.createColors(isColored)
  const color = { ok: paint.green, missing: paint.red, warning: paint.yellow, unknown: paint.red }
  const lines = results.flatMap(({ what, status, detail, remedy }) => [
    `${color[status](status.padEnd(8))} ${plain(what)}${detail ? `: ${plain(detail).replaceAll('\n', '\n         ')}` : ''}`,
    ...(status !== 'ok' && remedy ? [`         ${paint.cyan('fix:')} ${plain(remedy)}`] : []),
  ])
  print(secrets.mask(`${[...lines, ...summary(results)].join('\n')}\n`), isColored)
  return failed ? 1 : 0
}

function summary(results: readonly Result[]): string[] {
  const count = (status: Status) => results.filter((one) => one.status === status).length
  const [missing, unknown, warnings] = [count('missing'), count('unknown'), count('warning')]
  if (missing + unknown > 0)
    return [
      [
        ...(missing > 0 ? [`${missing} missing`] : []),
        ...(unknown > 0 ? [`${unknown} could not be checked`] : []),
        ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
      ].join(', '),
    ]
  return ['this host has what its roles need']
}

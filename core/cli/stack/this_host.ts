/**
 * Runs `converge stack doctor`, `maintenance`, `lock` and `unlock`: each calls the command of the same name on the hosts,
 * with the input that the host stores. It takes no lock of a rollout, and writes no record.
 */
import picocolors from 'picocolors'
import * as z from 'zod'
import { type AnswerTimes, clockProblem } from '../../fleet/host_clock.ts'
import type { CommandResult } from '../../fleet/operate/results.ts'
import { ConvergeError } from '../../model/errors.ts'
import { isObject } from '../../model/json.ts'
import type { JsonObject } from '../../node/merge.ts'
import { plain } from '../../report/printable.ts'
import type { ExitStatus } from '../exit_status.ts'
import { author } from '../inputs/read_inputs.ts'
import { useColor } from '../print.ts'
import type { ReachableHost } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { selectedHosts } from './operate.ts'
import { type CommandOnHosts, runOnHosts } from './run_on_hosts.ts'
import type { SelectableHost } from './select.ts'
import type { StackCommand } from './stack_command.ts'

type Presentation = Pick<CommandOnHosts, 'amend' | 'present' | 'answer' | 'timeComparison' | 'input'>

/** How long a host waits for a run that is under way there: less than the time limit of the whole command. */
const runWaitSeconds = '540'

/** Calls the command $0 of a host, with a message where no rollout has installed it. */
const callScript =
  '[ -x "$0" ] || { echo "converge stack has not set this host up yet: run converge stack setup" >&2; exit 1; }; exec "$0" "$@"'

function thisHost(words: readonly string[], presentation: Presentation): CommandOnHosts {
  return {
    displayedWords: ['this-host', ...words],
    words: ({ host }) => ['sh', '-c', callScript, `${host.prefix ?? ''}/usr/local/lib/converge/this-host`, ...words],
    asRoot: true,
    account: null,
    ...presentation,
  }
}

/**
 * Runs a command with the input that each host stores.
 * @param hosts default: those that the command line selects
 */
export async function runThisHost<N>(
  call: StackCommand<N>,
  words: readonly string[],
  presentation: Presentation,
  hosts?: readonly ReachableHost<SelectableHost>[],
): Promise<ExitStatus> {
  const inputs = await stackInputs(call)
  return runOnHosts(call, inputs, hosts ?? (await selectedHosts(call, inputs)), thisHost(words, presentation))
}

const needsSchema = z.object({
  time: z.string().optional(),
  needs: z.array(
    z.object({
      what: z.string(),
      status: z.string(),
      met: z.boolean().optional(),
      detail: z.string(),
      remedy: z.string().optional(),
    }),
  ),
})

type Answer = z.infer<typeof needsSchema>

function answerOf({ stdout }: Pick<CommandResult, 'stdout'>): Answer | null {
  try {
    const parsed = needsSchema.safeParse(JSON.parse(stdout))
    return parsed.success ? parsed.data : null
  } catch {
    // The host printed no JSON, such as the reason why it could not check anything.
    return null
  }
}

/** Returns the checks in the answer of doctor; null where it sent none. */
export function needsIn(result: Pick<CommandResult, 'stdout'>): Answer['needs'] | null {
  return answerOf(result)?.needs ?? null
}

/** Adds a finding if the clock of the host differs from the operator's. */
function withClock(result: CommandResult, times: AnswerTimes): CommandResult {
  const answer = answerOf(result)
  const problem = clockProblem(answer?.time, times)
  if (answer === null || problem === null) return result
  const clock = { what: 'clock', status: 'warning', met: true, ...problem }
  return { ...result, stdout: JSON.stringify({ ...answer, needs: [...answer.needs, clock] }) }
}

/**
 * Returns the repositories of the apps with their logins as JSON: the last run of the host may have had others than the
 * stack file has now.
 */
function repositoriesOf(attributes: JsonObject): string {
  const apps = isObject(attributes.deploy) ? Object.entries(attributes.deploy) : []
  const repositories = apps.flatMap(([app, value]) =>
    isObject(value) && value.scm !== undefined ? [[app, { scm: value.scm }]] : [],
  )
  return JSON.stringify({ deploy: Object.fromEntries(repositories) })
}

/** Checks each host for missing requirements; details that differ between healthy hosts, such as the time, are left out. */
export function doctor<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { verbose, color } = call.args
  const paint = picocolors.createColors(color ?? useColor(process.stdout))
  const colors: Readonly<Record<string, (text: string) => string>> = { ok: paint.green, warning: paint.yellow }
  return runThisHost(call, ['doctor', '--json-output', '--json', '-'], {
    input: repositoriesOf,
    amend: withClock,
    present(result) {
      const needs = needsIn(result)
      if (needs === null) return result
      const lines = needs
        .filter(({ status }) => verbose || status !== 'ok')
        .flatMap(({ what, status, detail, remedy }) => [
          `${(colors[status] ?? paint.red)(status.padEnd(8))} ${plain(what)}${detail ? `: ${plain(detail)}` : ''}`,
          ...(status !== 'ok' && remedy ? [`         ${paint.cyan('fix:')} ${plain(remedy)}`] : []),
        ])
      return { ...result, stdout: (lines.length === 0 ? ['nothing is missing'] : lines).join('\n') }
    },
    answer: (result) => ({ needs: needsIn(result) }),
    timeComparison: 'similar',
  })
}

/** Closes or opens the sites of the hosts that have a maintenance page. */
export async function maintenance<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { argument = '', message } = call.args
  const inputs = await stackInputs(call)
  const all = await selectedHosts(call, inputs, { compiles: true })
  const hosts = all.filter(({ selectable }) => selectable.events.has(`maintenance_${argument}`))
  if (hosts.length === 0) throw noMaintenancePage(all)
  const words = [
    'maintenance',
    argument,
    '--by',
    call.args.by ?? author(),
    '--wait',
    runWaitSeconds,
    '--quiet',
    ...(message === undefined ? [] : ['--message', message]),
  ]
  const text = argument === 'on' ? 'closed for maintenance' : 'open for visitors'
  return runOnHosts(call, inputs, hosts, thisHost(words, { present: (result) => presentState(result, text) }))
}

function noMaintenancePage(hosts: readonly ReachableHost<SelectableHost>[]): ConvergeError {
  const names = hosts.map(({ selectable }) => selectable.name).join(', ')
  return new ConvergeError(`no role of ${names} has a maintenance page`, {
    code: 'NO_HOSTS',
    hint: 'select the hosts with the web server: leave out --layer, --host, --app and --limit to close all sites of the stack',
    usage: true,
  })
}

/** Prevents deploys of other operators on the hosts. */
export function lock<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { message } = call.args
  const words = ['lock', '--by', author(), '--quiet', ...(message === undefined ? [] : ['--message', message])]
  return runThisHost(call, words, { present: (result) => presentState(result, 'deploys are locked') })
}

export function unlock<N>(call: StackCommand<N>): Promise<ExitStatus> {
  return runThisHost(call, ['unlock'], {})
}

/** Describes the state of a host whose command succeeded; hosts in the same state are then shown together. */
function presentState(result: CommandResult, state: string): CommandResult {
  return result.status === 0 && result.failure === null ? { ...result, stdout: `${state}\n${result.stdout}` } : result
}

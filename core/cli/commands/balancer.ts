/** Runs `converge balancer`: lists the backend servers of a stack's balancers, drains one, or sets it ready again. */
import picocolors from 'picocolors'
import type { LocalHost } from '../../host/local.ts'
import { openHost } from '../../host/open_host.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Secrets } from '../../model/secrets.ts'
import { milliseconds } from '../../model/units.ts'
import { oneLine } from '../../report/printable.ts'
import type { BalancedServer, BalancerControl, Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { loadInputs } from '../inputs/run_inputs.ts'
import { print, printError, printJson, useColor } from '../print.ts'
import { usage } from '../usage.ts'

export const balancerActions = ['list', 'drain', 'ready'] as const
type Action = (typeof balancerActions)[number]

const defaultWait = 60
const pause = milliseconds(200)

/** One balancer, with its servers or with the reason why it could not be queried. */
interface BalancerView {
  readonly control: BalancerControl
  readonly servers: readonly BalancedServer[]
  readonly problem: ConvergeError | null
}

export async function balancer<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const action = actionOf(args)
  const inputs = await loadInputs(args, catalogue, secrets, { needsRole: false })
  for (const warning of inputs.mergedNode.warnings) printLine(`warning: ${secrets.mask(warningText(warning))}`)
  const host = await openHost(inputs.stateDirectory)
  const controls = await catalogue.balancers(inputs.buildRecipeNode([]), host)
  if (controls.length === 0)
    throw new ConvergeError('no balancer is known', {
      code: 'NO_BALANCER',
      hint: 'give the node JSON of a stack with a frontend (--node-json), or name its socket: {"converge": {"balancer": {"sockets": ["/run/haproxy/admin.sock"]}}}',
      usage: true,
    })
  const views = await Promise.all(controls.map(viewOf))
  const [first] = views
  if (action !== 'list' && first?.problem && views.every(({ problem }) => problem !== null)) throw first.problem
  for (const { problem } of views) if (problem) warn(problem)
  const allAnswered = views.every(({ problem }) => problem === null)
  if (action === 'list') {
    if (args.jsonOutput)
      printValue({
        balancers: views.map(({ control, servers, problem }) => ({ where: control.label, servers, problem })),
      })
    else {
      const color = args.color ?? useColor(process.stdout)
      print(listing(views, picocolors.createColors(color)), color)
    }
    return allAnswered ? 0 : 1
  }
  const name = serverNamed(args.secondArgument, views)
  const matching = views.filter(({ servers }) => servers.some((one) => one.name === name))
  const isComplete = action === 'drain' ? await drain(name, matching, args, host) : await ready(name, matching, args)
  return isComplete && allAnswered ? 0 : 1
}

function actionOf({ argument = 'list', secondArgument }: Arguments): Action {
  const action = balancerActions.find((one) => one === argument)
  if (action === undefined)
    throw usage(
      `unknown action "${argument}" of balancer`,
      nearest(argument, balancerActions) ?? `there are: ${balancerActions.join(', ')}`,
    )
  if (action === 'list' && secondArgument !== undefined)
    throw usage(`balancer list takes no server: ${secondArgument}`, 'leave the name out: the list holds every server')
  if (action !== 'list' && secondArgument === undefined)
    throw usage(`missing argument SERVER of balancer ${action}`, 'converge balancer list names them')
  return action
}

async function viewOf(control: BalancerControl): Promise<BalancerView> {
  try {
    return { control, servers: await control.servers(), problem: null }
  } catch (thrown) {
    const problem = asConvergeError(thrown)
    if (problem.code === 'INTERNAL') throw thrown
    return { control, servers: [], problem }
  }
}

/** Resolves the given name, with or without its backend, to the full name of one server. */
function serverNamed(requested = '', views: readonly BalancerView[]): string {
  const names = [...new Set(views.flatMap(({ servers }) => servers.map(({ name }) => name)))]
  if (names.includes(requested)) return requested
  const matches = names.filter((name) => name.endsWith(`/${requested}`))
  const [match] = matches
  if (match !== undefined && matches.length === 1) return match
  if (match !== undefined)
    throw usage(`${requested} is the name of several: ${matches.join(', ')}`, 'give it with its backend')
  const short = names.map((name) => name.slice(name.indexOf('/') + 1))
  throw new ConvergeError(`no balancer has a server ${requested}`, {
    code: 'UNKNOWN_SERVER',
    hint: nearest(requested, requested.includes('/') ? names : short) ?? `there are: ${names.join(', ') || 'none'}`,
    usage: true,
  })
}

/** Sends a command to each balancer; warns of those that refuse it, and leaves them out of the result. */
async function commandEach(
  matching: readonly BalancerView[],
  command: (server: BalancerView) => Promise<unknown>,
): Promise<BalancerView[]> {
  const reached: BalancerView[] = []
  const problems: ConvergeError[] = []
  for (const server of matching) {
    try {
      await command(server)
      reached.push(server)
    } catch (thrown) {
      const problem = asConvergeError(thrown)
      if (problem.code === 'INTERNAL') throw thrown
      problems.push(problem)
    }
  }
  const [problem] = problems
  if (problem !== undefined && reached.length === 0) throw problem
  problems.forEach(warn)
  return reached
}

async function drain(name: string, all: readonly BalancerView[], args: Arguments, host: LocalHost): Promise<boolean> {
  const matching = await commandEach(all, async ({ control, servers }) => {
    const server = servers.find((one) => one.name === name)
    if (server === undefined) return
    await control.drain(server)
    if (!servers.some((one) => one.backend === server.backend && one.name !== name && one.takesVisitors))
      printLine(`warning: ${control.label} has no other server for ${server.backend}: its visitors get an error now`)
  })
  const end = performance.now() + (args.wait ?? defaultWait) * 1000
  let now = await serversNow(name, matching)
  while (now.some(({ server }) => server.sessions + server.queue > 0) && performance.now() < end) {
    await host.sleep(pause)
    now = await serversNow(name, matching)
  }
  const remaining = now.reduce((sum, { server }) => sum + server.sessions + server.queue, 0)
  if (args.jsonOutput) printValue({ server: name, sessions: remaining, balancers: now })
  else
    for (const { where, server } of now)
      print(
        `${name} is drained at ${where}${server.sessions + server.queue > 0 ? `, and still has ${sessions(server)}` : ''}\n`,
      )
  if (remaining === 0 || args.wait === 0) return matching.length === all.length
  printLine(
    `${name} is not idle after ${args.wait ?? defaultWait} s: it gets no new visitors; give it longer with --wait SECONDS`,
  )
  return false
}

async function ready(name: string, all: readonly BalancerView[], args: Arguments): Promise<boolean> {
  const matching = await commandEach(all, ({ control }) => control.ready(name))
  const now = await serversNow(name, matching)
  if (args.jsonOutput) printValue({ server: name, balancers: now })
  else
    for (const { where, server } of now)
      print(
        `${name} is ready at ${where}${server.up ? '' : `, and gets visitors once its health check finds it up (${server.check})`}\n`,
      )
  return matching.length === all.length
}

async function serversNow(name: string, matching: readonly BalancerView[]) {
  const now = await Promise.all(
    matching.map(async ({ control }) => ({ where: control.label, servers: await control.servers() })),
  )
  return now.flatMap(({ where, servers }) => {
    const server = servers.find((one) => one.name === name)
    return server ? [{ where, server }] : []
  })
}

function listing(views: readonly BalancerView[], paint: ReturnType<typeof picocolors.createColors>): string {
  const lines: string[] = []
  for (const { control, servers, problem } of views) {
    lines.push(paint.bold(control.label))
    if (problem !== null) lines.push('  (cannot be queried)')
    else if (servers.length === 0) lines.push('  no servers')
    else lines.push(...table(servers, paint))
  }
  return `${lines.join('\n')}\n`
}

const columns = ['backend', 'server', 'address', 'state', 'sessions', 'queue'] as const

function table(servers: readonly BalancedServer[], paint: ReturnType<typeof picocolors.createColors>): string[] {
  const rows = servers.map((one) => {
    const { backend, name, address } = one
    const cells = [backend, name.slice(backend.length + 1), address, stateOf(one), `${one.sessions}`, `${one.queue}`]
    return cells.map(oneLine)
  })
  const widths = columns.map((title, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? '').length)))
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd()
  return [
    paint.dim(line(columns)),
    ...rows.map((row, at) => {
      const one = servers[at]
      return one?.takesVisitors ? line(row) : one?.admin === 'ready' ? paint.red(line(row)) : paint.yellow(line(row))
    }),
  ]
}

function stateOf({ admin, up, check }: BalancedServer): string {
  const health = up ? 'up' : `down${check === '' ? '' : ` (${check})`}`
  return admin === 'ready' ? health : up ? admin : `${admin}, ${health}`
}

function sessions({ sessions, queue }: BalancedServer): string {
  const count = sessions + queue
  return `${count} ${count === 1 ? 'session' : 'sessions'}`
}

function printValue(value: unknown): void {
  printJson(value, 2)
}

function warn({ message, hint }: ConvergeError): void {
  printLine(`warning: ${message}${hint === undefined ? '' : ` (${hint})`}`)
}

function printLine(line: string): void {
  printError(`${line}\n`)
}

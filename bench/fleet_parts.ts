/** Measures the parts of a rollout and the first contact with hosts, and how both grow with the number of hosts. */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import type { FleetEvent } from '../core/fleet/types.ts'
import type { TestHost } from '../test/machine/support/hosts.ts'
import type { Operator } from '../test/machine/support/operator.ts'
import { stackCommand, writeStack } from './fleet_tools.ts'
import { baseEnvironment, type Command, measure } from './measure.ts'
import { Results } from './results.ts'
import { median, spread, table } from './table.ts'

export interface BenchSettings {
  readonly operator: Operator
  /** Directory of the benchmark, for logs. */
  readonly directory: string
  readonly repetitions: number
  /** Time limit of a run in seconds. */
  readonly limit: number
  readonly tell: (text: string) => void
}

/** Total seconds after which a first contact is not repeated. */
const enough = 30
const configure = (operator: Operator) => stackCommand(operator, 'configure')

export async function measured({ directory, limit, tell }: BenchSettings, command: Command) {
  const outcome = await measure(command, directory, `${directory}/log`, limit)
  tell(
    outcome === 'too slow'
      ? `  more than ${limit} s`
      : `  ${outcome.wall.toFixed(2)} s, ${outcome.peak.toFixed(0)} MiB`,
  )
  return outcome
}

/** Returns hosts to the state before their first run of converge. */
async function forget(hosts: readonly TestHost[]): Promise<void> {
  await Promise.all(hosts.map((host) => host.run('rm -rf /usr/local/lib/converge /var/lib/converge')))
}

export interface Newcomers {
  readonly what: string
  readonly hosts: readonly TestHost[]
  /** Whether the run must pack Node, because the operator's cache is empty. */
  readonly packs?: boolean
}

/** Measures runs that upload engine, recipes, node JSON and, if missing, Node, and have nothing else to do. */
export async function firstContact(settings: BenchSettings, all: readonly Newcomers[]): Promise<Results> {
  const { operator, repetitions, tell } = settings
  const results = new Results()
  for (let repetition = 0; repetition < repetitions; repetition++)
    for (const { what, hosts, packs } of all) {
      if (results.get(`${hosts.length}`, what).reduce((sum, { wall }) => sum + wall, 0) > enough) continue
      tell(`first contact, ${repetition + 1} of ${repetitions}: ${hosts.length} hosts, ${what}`)
      writeStack(operator, hosts)
      await forget(hosts)
      if (packs) rmSync(`${operator.home}/.cache`, { recursive: true, force: true })
      results.add([`${hosts.length}`, what], await measured(settings, configure(operator)))
    }
  return results
}

/** Measures the same run on increasing numbers of hosts. */
export async function growth(
  settings: BenchSettings,
  hosts: readonly TestHost[],
  sizes: readonly number[],
): Promise<Results> {
  const { operator, repetitions, tell } = settings
  const results = new Results()
  for (let repetition = 0; repetition < repetitions; repetition++)
    for (const size of sizes) {
      tell(`nothing to do, ${repetition + 1} of ${repetitions}: ${size} hosts`)
      writeStack(operator, hosts.slice(0, size))
      results.add([`${size}`], await measured(settings, configure(operator)))
    }
  return results
}

/** Milliseconds since the start of the program, with the event at that time. */
type Reported = readonly [number, FleetEvent]

async function reported(
  { argv, cwd, environment }: Command,
  home: string,
): Promise<{ all: Reported[]; whole: number }> {
  const begun = performance.now()
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd,
    env: { ...baseEnvironment(home), ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const all: Reported[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) all.push([performance.now() - begun, JSON.parse(line) as FleetEvent])
  })
  const status = await new Promise((resolve) => child.on('close', resolve))
  if (status !== 0) throw new Error(`${argv.join(' ')}: exit status ${status}`)
  return { all, whole: performance.now() - begun }
}

const partNames = {
  start: "start on the operator's computer: Node, stack file, packed recipes, compiled roles of each host",
  connect: 'connect to all hosts, and lock them for this rollout',
  look: 'run on a host without its resources: exec, a shell, start of Node, node JSON and roles, the response',
  engine: 'its resources: reads of 100 files',
  rest: 'from the last host to the end of the program',
} as const

type Parts = Record<keyof typeof partNames | 'whole', number>

function partsOf({ all, whole }: Awaited<ReturnType<typeof reported>>): Parts {
  const at = (name: FleetEvent['event']) => all.findLast(([, event]) => event.event === name)?.[0] ?? Number.NaN
  const done = all.flatMap(([, event]) => (event.event === 'done' ? [event] : []))
  const runs = done.filter(({ phase }) => phase === 'configure')
  const engine = runs.map(({ report }) => report?.durationMs ?? Number.NaN)
  const begun = all.flatMap(([time, event]) => (event.event === 'phase' ? [time] : []))
  return {
    start: at('start'),
    connect: (begun[1] ?? Number.NaN) - (begun[0] ?? Number.NaN),
    look: median(runs.map(({ durationMs }, index) => durationMs - (engine[index] ?? Number.NaN))),
    engine: median(engine),
    rest: whole - at('done'),
    whole,
  }
}

/** @param sizes numbers of hosts, one for each column of the table */
export async function partsTable(
  settings: BenchSettings,
  hosts: readonly TestHost[],
  sizes: readonly number[],
): Promise<string> {
  const { operator, directory, repetitions, tell } = settings
  const columns: Parts[][] = []
  for (const size of sizes) {
    tell(`parts of a run: ${size} hosts`)
    writeStack(operator, hosts.slice(0, size))
    const samples: Parts[] = []
    for (let repetition = 0; repetition < repetitions; repetition++)
      samples.push(partsOf(await reported(stackCommand(operator, 'configure', '--json-output'), directory)))
    columns.push(samples)
  }
  const row = (name: string, part: keyof Parts) => [
    name,
    ...columns.map((samples) =>
      spread(
        samples.map((one) => one[part]),
        0,
      ),
    ),
  ]
  const parts = Object.keys(partNames) as (keyof typeof partNames)[]
  const rows = [...parts.map((part) => row(partNames[part], part)), row('total', 'whole')]
  return table(['ms', ...sizes.map((size) => (size === 1 ? '1 host' : `${size} hosts`))], rows)
}

/** The commands that read and compile a whole stack file. */
export const compilingCommands = ['check', 'show', 'plan'] as const

/** Measures loading and compiling a stack file of many hosts with the roles of a site, without connections. */
export async function measureCompile(settings: BenchSettings, sizes: readonly number[]): Promise<Results> {
  const { operator, repetitions, tell } = settings
  const results = new Results()
  for (let repetition = 0; repetition < repetitions; repetition++)
    for (const size of sizes) {
      operator.write({ 'site.json': largeStack(size) })
      for (const command of compilingCommands) {
        if (results.get(`${size}`, command).reduce((sum, { wall }) => sum + wall, 0) > enough) continue
        tell(`a large stack file, ${repetition + 1} of ${repetitions}: ${size} hosts, ${command}`)
        results.add([`${size}`, command], await measured(settings, compilingCommand(operator, command)))
      }
    }
  return results
}

/** Returns the command; a plan is of the first host, which refuses the connection: status 1, after all are compiled. */
function compilingCommand(operator: Operator, command: (typeof compilingCommands)[number]): Command {
  const only = command === 'plan' ? ['--host', 'h0'] : []
  const own = stackCommand(operator, command, ...only, '--stack', 'site.json')
  if (command !== 'plan') return own
  return { ...own, argv: ['sh', '-c', '"$@" || test $? -eq 1', 'sh', ...own.argv] }
}

function largeStack(size: number) {
  const layers = {
    zeo: { roles: ['zeo-server'] },
    plone_instances: { roles: ['zeo-client'] },
    web: { roles: ['frontend'] },
  }
  const layerOf = (index: number) => (index === 0 ? 'zeo' : index < 3 ? 'web' : 'plone_instances')
  const address = (index: number) => `10.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
  const endpoint = (index: number) => (index === 0 ? { address: '127.0.0.1', port: 9 } : { address: address(index) })
  const host = (_: unknown, index: number) => [`h${index}`, { ...endpoint(index), layers: [layerOf(index)], cpus: 2 }]
  const scm = { repository: 'https://git.example.com/site.git' }
  const hosts = Object.fromEntries(Array.from({ length: size }, host))
  return {
    name: 'site',
    layers,
    apps: { plone_instances: { scm, domains: ['example.com'] } },
    hosts,
    ssh: { user: 'root' },
  }
}

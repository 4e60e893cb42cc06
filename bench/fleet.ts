/** Runs `npm run bench:fleet`: compares converge, ansible-core and pyinfra on ten hosts, and measures up to 100. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type TestHost, type TestNetwork, testNetwork } from '../test/machine/support/hosts.ts'
import { Operator } from '../test/machine/support/operator.ts'
import { withCleanUp } from './clearing.ts'
import {
  type BenchSettings,
  compilingCommands,
  firstContact,
  growth,
  measureCompile,
  measured,
  partsTable,
} from './fleet_parts.ts'
import {
  ansibleTools,
  convergeTools,
  count,
  damage,
  endAnsible,
  type FleetTool,
  fingerprintOf,
  pyinfraTool,
  pythonTools,
  pythonVersions,
  stackCommand,
  verifyFiles,
  writeStack,
} from './fleet_tools.ts'
import { describeMachine } from './machine.ts'
import { killAll } from './measure.ts'
import { figureNames, Results } from './results.ts'
import { table, times } from './table.ts'

const usage = `npm run bench:fleet -- [options]
  --reps N        repetitions; of what takes more than a minute there is one   default: 5
  --hosts N       hosts of the largest stack                                   default: 100
  --slow          also the forms of ansible-core that take minutes
  --stack-file    only the commands on a large stack file: no hosts, no other tools
  --limit N       seconds after which a run is ended                           default: 600
  --output FILE   where the table goes      default: bench/fleet.md, with --stack-file bench/large_stacks.md`

/** Total seconds after which a tool is not run again. */
const enough = 60
const few = 10
/** The number of hosts at once, as the default of --parallel. */
const atOnce = 25

function options() {
  const { values } = parseArgs({
    options: {
      reps: { type: 'string' },
      hosts: { type: 'string' },
      slow: { type: 'boolean' },
      'stack-file': { type: 'boolean' },
      limit: { type: 'string' },
      output: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  const repetitions = Number(values.reps ?? 5)
  const most = Number(values.hosts ?? 100)
  const limit = Number(values.limit ?? 600)
  if (!(repetitions > 0 && most >= few && limit > 0)) throw new Error(usage)
  const flags = { slow: values.slow === true, stackFile: values['stack-file'] === true, help: values.help === true }
  const table = flags.stackFile ? 'large_stacks.md' : 'fleet.md'
  const output = values.output ?? fileURLToPath(new URL(table, import.meta.url))
  return { repetitions, most, limit, output, ...flags }
}

const load = () => readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? ''

/** Has each tool check the files in turn; none of them may write anything. */
async function compare(settings: BenchSettings, tools: readonly FleetTool[], hosts: readonly TestHost[]) {
  const { repetitions, limit, tell } = settings
  const results = new Results()
  const loads = new Map<string, string[]>()
  const [first] = hosts
  if (first === undefined) throw new Error('no hosts')
  for (const { name, form, command, only } of tools) {
    if (only === null) continue
    tell(`${name}, ${form}: whether it repairs a file`)
    damage(first)
    await measured(settings, { ...command, argv: [...command.argv, ...only(first)] })
    verifyFiles(hosts)
  }
  const before = fingerprintOf(hosts)
  const spent = new Map<FleetTool, number>()
  for (let repetition = 0; repetition < repetitions; repetition++)
    for (const tool of tools) {
      const { name, form, command } = tool
      if ((spent.get(tool) ?? 0) > enough) continue
      tell(`nothing to do, ${repetition + 1} of ${repetitions}: ${name}, ${form}, load ${load()}`)
      loads.set(form, [...(loads.get(form) ?? []), load()])
      const outcome = await measured(settings, command)
      spent.set(tool, (spent.get(tool) ?? 0) + (outcome === 'too slow' ? enough + 1 : outcome.wall))
      results.add([name, form], outcome)
      if (fingerprintOf(hosts) !== before) throw new Error(`${name}, ${form}: it wrote although nothing had changed`)
    }
  return {
    tools,
    results,
    limit,
    rows: results.rows().map((row) => [...row, (loads.get(row[1] ?? '') ?? []).join(', ')]),
  }
}

/** The results so far. */
interface Findings {
  readonly sizes: readonly number[]
  compared?: Awaited<ReturnType<typeof compare>>
  parts?: string
  grown?: Results
  compiled?: Results
  contact?: Results
}

type Target = readonly [target: string, measured: string, met: boolean]

/** Compares converge's slowest command with the fastest of the other tools. */
function comparedTargets({ tools, results, limit }: NonNullable<Findings['compared']>): Target[] {
  const walls = (name: string) =>
    tools
      .filter((tool) => tool.name === name && !tool.part)
      .flatMap(({ form }) => results.median('wall', name, form) ?? [])
  const own = Math.max(...walls('converge'))
  return ['ansible-core', 'pyinfra'].map((name) => {
    const target = `nothing to do, ${few} hosts, ${count} files each: at least 10 times faster than ${name}`
    const theirs = walls(name)
    if (theirs.length === 0) {
      const late = `more than ${times(limit, own)} (${own.toFixed(2)} s; ${name} was ended after ${limit} s)`
      return [target, late, limit >= 10 * own]
    }
    const other = Math.min(...theirs)
    return [target, `${times(other, own)} (${own.toFixed(2)} s, ${name} ${other.toFixed(2)} s)`, other >= 10 * own]
  })
}

function growthTargets(grown: Results, sizes: readonly number[]): Target[] {
  const [least = 0, most = 0] = [sizes[0], sizes.at(-1)]
  const of = (what: 'wall' | 'peak', size: number) => grown.median(what, `${size}`) ?? Number.NaN
  const [longer, hosts, peak] = [of('wall', most) / of('wall', least), most / least, of('peak', most)]
  return [
    [`at most ${hosts} times as long for ${most} hosts as for ${least}`, `${longer.toFixed(1)} times`, longer <= hosts],
    [`peak memory of the operator's program, ${most} hosts: below 300 MiB`, `${peak.toFixed(0)} MiB`, peak < 300],
  ]
}

/** The numbers of hosts of the large stack files. */
const stackSizes = [10, 100, 1000, 10_000]

/** The targets in seconds and MiB for a command on a stack file, by number of hosts. */
const compiledLimits = [
  { size: 1000, seconds: 3, peak: 300 },
  { size: 10_000, seconds: 30, peak: null },
] as const

function compiledTargets(compiled: Results): Target[] {
  return compiledLimits.flatMap(({ size, seconds, peak }) =>
    compilingCommands.flatMap((command): Target[] => {
      const wall = compiled.median('wall', `${size}`, command)
      const memory = compiled.median('peak', `${size}`, command)
      if (wall === null || memory === null) return []
      const target = `stack ${command}, ${size} hosts: less than ${seconds} s${peak === null ? '' : ` and ${peak} MiB`}`
      const met = wall < seconds && (peak === null || memory < peak)
      return [[target, `${wall.toFixed(2)} s, ${memory.toFixed(0)} MiB`, met]]
    }),
  )
}

function targets({ compared, grown, compiled, sizes }: Findings): string {
  const all: Target[] = [
    ...(compared ? comparedTargets(compared) : []),
    ...(grown ? growthTargets(grown, sizes) : []),
    ...(compiled ? compiledTargets(compiled) : []),
  ]
  const rows = all.map(([target, measured, met]) => [target, measured, met ? 'yes' : '**no**'])
  return table(['target', 'measured', 'met'], rows)
}

function describe(found: Findings, facts: readonly string[]): string {
  const { compared, parts, grown, compiled, contact } = found
  const sections = [
    compiled ? '# Large stack files' : '# Many hosts',
    compiled ? aboutCompiled : about,
    [...facts, new Date().toISOString().slice(0, 10)].map((line) => `- ${line}`).join('\n'),
    '## Targets',
    targets(found),
    ...(compared
      ? [
          '## Nothing to do, ten hosts',
          aboutTools,
          table(['tool', 'form', ...figureNames, 'load before'], compared.rows),
        ]
      : []),
    ...(parts ? ['## Parts of a run', aboutParts, parts] : []),
    ...(grown ? ['## More hosts', aboutGrowth, table(['hosts', ...figureNames], grown.rows())] : []),
    ...(compiled ? ['## Commands', aboutCheck, table(['hosts', 'command', ...figureNames], compiled.rows())] : []),
    ...(contact
      ? ['## First contact', aboutContact, table(['hosts', 'what they have', ...figureNames], contact.rows())]
      : []),
  ]
  return `${sections.join('\n\n')}\n`
}

const about = `Written by \`npm run bench:fleet\`. The hosts are on this computer, each with its own network namespace, files and sshd. So the hosts and the
operator's program share its cores. Figures are medians, with the range in brackets. Wall time, CPU of the operator's programs (without the
programs on the hosts) and the peak memory of the largest of them come from wait4(2).`
const aboutCompiled = `Written by \`npm run bench:fleet -- --stack-file\`, without hosts. Figures are medians, with the range in brackets.
Wall time, CPU and peak memory of the operator's program come from wait4(2).`
const aboutTools = `A directory and ${count} files of 1 KB with mode 0640, as declared already; no tool may write anything. ansible-core has 10 forks and pipelining. Its
connections stay open between runs (ControlPersist, as by default); the other tools connect again each time. \`a loop\` is one task of
ansible.builtin.copy. \`facts alone\` is the time that a form without facts saves. Forms that take minutes run only with \`--slow\`. pyinfra has its
defaults. A form that takes more than a minute runs once.`
const aboutParts =
  '`converge stack configure` with nothing to do. Each of ten hosts takes longer than one alone, because all share the cores.'
const aboutGrowth = '`converge stack configure` with nothing to do, 25 hosts at once (the default).'
const aboutCheck =
  'One ZEO server, two frontends, the rest clients. Each command reads the file and compiles all roles of all hosts; `plan` then fails to connect to its only host.'
const aboutContact =
  'The operator uploads the engine and the recipes, and Node if the host has none (40 MB packed; each host unpacks it). All of it stays on the host.'

async function main(): Promise<void> {
  const { repetitions, most, limit, slow, stackFile, output, help } = options()
  if (help) return console.log(usage)
  const directory = realpathSync(mkdtempSync(`${tmpdir()}/converge-bench-`))
  const machine = describeMachine(directory)
  const tell = (text: string) => process.stderr.write(`${text}\n`)
  await withCleanUp(async (owner) => {
    owner.teardown(() => rmSync(directory, { recursive: true, force: true }))
    owner.teardown(() => endAnsible(directory))
    const network = await testNetwork(owner)
    const settings: BenchSettings = { operator: new Operator(network), directory, repetitions, limit, tell }
    // Store the results so far, even if the rest fails.
    const keep = (found: Findings, versions: Readonly<Record<string, string>>) => {
      const names = Object.entries({ converge: ownVersion(), ...versions }).map((one) => one.join(' '))
      writeFileSync(output, describe(found, [...machine, names.join(', '), `load ${load()} at the end`]))
    }
    if (stackFile) return keep({ sizes: [], compiled: await measureCompile(settings, stackSizes) }, {})
    tell('ansible-core and pyinfra from PyPI')
    const bin = pythonTools(`${process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`}/converge-bench`)
    tell('hosts')
    // Only some hosts lack Node, although most real hosts do: a hundred would take 10 GB of memory here.
    const bare = await network.many('bare', Math.min(most, atOnce))
    const own = await network.many('own', most, { node: 'own' })
    // End the programs that use the hosts before the hosts.
    owner.teardown(killAll)
    const versions = pythonVersions(bin)
    const tools = toolsOf(settings, network, bin, bare.slice(0, few)).filter((tool) => slow || !tool.slow)
    await measureAll(settings, { bare, own, tools }, (found) => keep(found, versions))
  })
  process.stdout.write(readFileSync(output, 'utf8'))
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

function toolsOf(
  { operator, directory }: BenchSettings,
  network: TestNetwork,
  bin: string,
  hosts: readonly TestHost[],
): FleetTool[] {
  return [
    ...convergeTools(operator),
    pyinfraTool(`${directory}/pyinfra`, bin, network, hosts),
    ...ansibleTools(`${directory}/ansible`, bin, network, hosts),
  ]
}

interface Measured {
  readonly bare: readonly TestHost[]
  readonly own: readonly TestHost[]
  readonly tools: readonly FleetTool[]
}

async function measureAll(
  settings: BenchSettings,
  { bare, own, tools }: Measured,
  keep: (found: Findings) => void,
): Promise<void> {
  const { operator } = settings
  const hosts = bare.slice(0, few)
  const found: Findings = { sizes: [10, 25, 50, 100].filter((size) => size <= own.length) }
  writeStack(operator, hosts)
  await measured(settings, stackCommand(operator, 'run', 'setup', '--strategy', 'parallel'))
  found.compared = await compare(settings, tools, hosts)
  keep(found)
  writeStack(operator, own)
  await measured(settings, stackCommand(operator, 'configure'))
  found.parts = await partsTable(settings, own, [1, few])
  found.grown = await growth(settings, own, found.sizes)
  keep(found)
  found.contact = await firstContact(settings, [
    { what: 'their own Node', hosts: own.slice(0, few) },
    { what: 'no Node', hosts },
    { what: 'no Node, and none packed yet', hosts, packs: true },
    { what: 'their own Node', hosts: own },
    { what: 'no Node', hosts: bare },
  ])
  keep(found)
}

await main()

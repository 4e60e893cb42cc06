/** Runs `npm run bench`: measures converge beside other tools, and reports which targets are met. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { benchDeploy } from './deploy.ts'
import { describeMachine } from './machine.ts'
import { killAll } from './measure.ts'
import { ansible } from './peers/ansible.ts'
import { cfengine } from './peers/cfengine.ts'
import { converge } from './peers/converge.ts'
import { floor } from './peers/floor.ts'
import { itamae } from './peers/itamae.ts'
import { puppet } from './peers/puppet.ts'
import { report } from './report.ts'
import { benchResources } from './resources.ts'
import { benchStartup } from './startup.ts'

const usage = `npm run bench -- [options]
  --only NAME     only resources, startup or deploy; or only this tool; repeatable
  --sizes N,N     numbers of resources, multiples of ten   default: 100,1000,10000
  --reps N        repetitions                              default: 5
  --quick         --sizes 100,1000 --reps 3
  --slow          also sizes at which a tool takes minutes
  --program FILE  the converge to measure                  default: dist/start.cjs
  --output FILE   where the table goes                     default: bench/results.md; with --only nowhere`

const pathOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const parts = ['resources', 'startup', 'deploy']

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      sizes: { type: 'string' },
      reps: { type: 'string' },
      quick: { type: 'boolean' },
      slow: { type: 'boolean' },
      program: { type: 'string' },
      output: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  const only = values.only?.flatMap((names) => names.split(','))
  const sizes = (values.sizes ?? (values.quick ? '100,1000' : '100,1000,10000')).split(',').map(Number)
  const repetitions = Number(values.reps ?? (values.quick ? 3 : 5))
  if (sizes.some((size) => !(size > 0 && size % 10 === 0)) || !(repetitions > 0)) throw new Error(usage)
  const program = resolve(values.program ?? pathOf('../dist/start.cjs'))
  const output = values.output ?? (only ? null : pathOf('results.md'))
  return { only, sizes, repetitions, program, output, slow: values.slow === true, help: values.help === true }
}

async function main(): Promise<void> {
  const { only, sizes, repetitions, program, output, slow, help } = options()
  if (help) return console.log(usage)
  if (!fs.existsSync(program)) throw new Error(`${program} does not exist: run npm run build`)
  const all = [floor, converge(program), cfengine, puppet, itamae, ansible].map((peer) => ({
    peer,
    version: peer.version(),
  }))
  const names = [...parts, ...all.map(({ peer }) => shortName(peer.name))]
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown) throw new Error(`--only ${unknown}: there are ${names.join(', ')}`)
  const chosen = all.filter(({ peer }) => only?.includes(shortName(peer.name)))
  const wants = (part: string) => only === undefined || only.includes(part)
  const peers = (chosen.length > 0 ? chosen : all).flatMap(({ peer, version }) => (version === null ? [] : [peer]))

  const directory = fs.realpathSync(fs.mkdtempSync(`${tmpdir()}/converge-bench-`))
  const clean = () => {
    killAll()
    fs.rmSync(directory, { recursive: true, force: true })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      clean()
      process.exit(1)
    })
  const tell = (text: string) => process.stderr.write(`${text}\n`)
  try {
    const machine = describeMachine(directory)
    for (const { peer, version } of all)
      if (version === null) tell(`cannot measure ${peer.name}: it is not installed (apt install ${peer.package})`)
    const startup = await part(wants('startup'), () => benchStartup(program, repetitions * 4, directory))
    const deploy = await part(wants('deploy'), () => benchDeploy(program, repetitions, directory, tell))
    const resources = await part(wants('resources') || chosen.length > 0, () =>
      benchResources({ peers, sizes, repetitions, slow, directory, tell }),
    )
    const text = report({ resources, startup, deploy }, machine, all)
    process.stdout.write(text)
    if (output !== null) fs.writeFileSync(output, text)
  } finally {
    clean()
  }
}

/** Runs a part; if it fails, its sections are missing from the report, but not those of other parts. */
async function part<T>(isSelected: boolean, measure: () => Promise<T>): Promise<T | undefined> {
  if (!isSelected) return undefined
  try {
    return await measure()
  } catch (error) {
    process.stderr.write(`not measured: ${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
    return undefined
  }
}

function shortName(name: string): string {
  return name.split(' ')[0] ?? name
}

await main()

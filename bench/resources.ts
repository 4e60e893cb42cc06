/** Measures the same desired state with each tool: first run, no change, one file in a hundred changed by hand. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { type Command, measure } from './measure.ts'
import type { Peer } from './peers/types.ts'
import { Results } from './results.ts'
import { type State, stateOf } from './state.ts'
import { drift, verify } from './verify.ts'

export const phases: readonly string[] = ['first run', 'nothing to do', '1 % drift']

export interface ResourcesOptions {
  readonly peers: readonly Peer[]
  readonly sizes: readonly number[]
  readonly repetitions: number
  /** Whether to measure sizes at which a tool takes minutes. */
  readonly slow: boolean
  /** Directory of this benchmark. */
  readonly directory: string
  readonly tell: (text: string) => void
}

/** Time limit of a single run in seconds. */
const limit = 600
/** Total seconds after which a tool is not run again at the same size. */
const enough = 60

/** Measures the tools interleaved: each repetition runs all tools, and each tool all phases. */
export async function benchResources(options: ResourcesOptions): Promise<Results> {
  const { peers, sizes, repetitions, directory, tell } = options
  const results = new Results()
  for (const peer of peers) await warmUp(peer, directory)
  for (const size of sizes) {
    const contestants = peers
      .filter(({ largest }) => options.slow || size <= largest)
      .map((peer) => contestantIn(directory, peer, size))
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const one of contestants) {
        if (one.spent > enough) continue
        tell(`${size} resources, ${repetition + 1} of ${repetitions}: ${one.peer.name}`)
        for (const phase of phases) if (!(await runPhase(one, phase, directory, results))) break
      }
    }
    for (const { state } of contestants) rmSync(state.root, { recursive: true, force: true })
  }
  return results
}

interface Contestant {
  readonly peer: Peer
  readonly state: State
  readonly command: Command
  readonly scratch: string
  /** Seconds. */
  spent: number
}

function contestantIn(directory: string, peer: Peer, size: number): Contestant {
  const scratch = `${directory}/${peer.name.replace(/\W.*/, '')}-${size}`
  mkdirSync(scratch, { recursive: true })
  const state = stateOf(`${scratch}/root`, size)
  return { peer, state, command: peer.prepare(scratch, state), scratch, spent: 0 }
}

/** @returns whether it has finished, so that the next phase can use its result */
async function runPhase(one: Contestant, phase: string, directory: string, results: Results): Promise<boolean> {
  const { peer, state, command, scratch } = one
  if (phase === 'first run') rmSync(state.root, { recursive: true, force: true })
  if (phase === '1 % drift') drift(state)
  // Flush the writes of the previous run, so that they do not slow down this one.
  spawnSync('sync')
  const outcome = await measure(command, directory, `${scratch}/log`, limit)
  results.add([`${state.directories.length * 10}`, phase, peer.name], outcome)
  one.spent += outcome === 'too slow' ? limit : outcome.wall
  if (outcome === 'too slow') return false
  verify(state)
  return true
}

/** Runs a tool once unmeasured on a few resources, to read programs from the disk and fill the cache of recipes. */
async function warmUp(peer: Peer, directory: string): Promise<void> {
  const { state, command, scratch } = contestantIn(directory, peer, 10)
  await measure(command, directory, `${scratch}/log`, limit)
  verify(state)
}

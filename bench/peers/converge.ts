/** Prepares converge itself, with a user's recipe. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Peer, put } from './types.ts'

export const recipe = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** Returns arguments that separate a run of converge from all other runs on this host. */
export function apart(scratch: string): string[] {
  return ['--state-dir', `${scratch}/state`, '--config-dir', `${scratch}/etc`]
}

/** @param program the bundle to measure */
export function converge(program: string): Peer {
  return {
    name: 'converge',
    version: () =>
      spawnSync(process.execPath, [program, '--version'], { encoding: 'utf8' }).stdout.trim() || 'not built',
    largest: Number.POSITIVE_INFINITY,
    prepare(scratch, { root, directories }) {
      put(`${scratch}/node.json`, JSON.stringify({ bench: { root, count: directories.length * 10 } }))
      mkdirSync(`${scratch}/etc`, { recursive: true })
      const inputs = ['--role', 'bench', '--recipes', recipe('recipe.ts'), '--json', `${scratch}/node.json`]
      return { argv: [process.execPath, program, ...inputs, ...apart(scratch)] }
    },
  }
}

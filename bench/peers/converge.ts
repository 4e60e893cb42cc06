/** Prepares converge itself, with a user's recipe. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Peer, put } from './types.ts'

export const recipe = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** Returns arguments that separate a run of converge from all other runs on this host. */
export function apart(here: string): string[] {
  return ['--state-dir', `${here}/state`, '--config-dir', `${here}/etc`]
}

/** @param program the bundle to measure */
export function converge(program: string): Peer {
  return {
    name: 'converge',
    version: () =>
      spawnSync(process.execPath, [program, '--version'], { encoding: 'utf8' }).stdout.trim() || 'not built',
    largest: Number.POSITIVE_INFINITY,
    prepare(here, { root, directories }) {
      put(`${here}/node.json`, JSON.stringify({ bench: { root, count: directories.length * 10 } }))
      mkdirSync(`${here}/etc`, { recursive: true })
      const inputs = ['--role', 'bench', '--recipes', recipe('recipe.ts'), '--json', `${here}/node.json`]
      return { argv: [process.execPath, program, ...inputs, ...apart(here)] }
    },
  }
}

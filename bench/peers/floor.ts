/** Prepares the lower bound of the comparison: a plain loop in Node without an engine. */
import { fileURLToPath } from 'node:url'
import { templateText } from '../state.ts'
import { type Peer, put } from './types.ts'

const program = fileURLToPath(new URL('../floor.mjs', import.meta.url))

export const floor: Peer = {
  name: 'floor (bare Node loop)',
  version: () => process.versions.node,
  largest: Number.POSITIVE_INFINITY,
  prepare(scratch, state) {
    put(`${scratch}/state.json`, JSON.stringify({ template: templateText((name) => `@${name}@`), ...state }))
    return { argv: [process.execPath, program, `${scratch}/state.json`] }
  },
}

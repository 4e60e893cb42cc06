/** Stores whether a rollout is paused: a file in its record, which the process of the rollout watches. */
import { chownSync, rmSync, statSync } from 'node:fs'
import * as z from 'zod'
import type { RolloutPause } from '../types.ts'
import { readFileOrNull, replaceStateFile } from './state_files.ts'

const pauseSchema = z.object({ by: z.string(), since: z.string(), comment: z.string() })

/**
 * Returns who has paused a deployment, and since when; null if it is not paused.
 * @param id with its leading zeros
 */
export function readPause(directory: string, id: string): RolloutPause | null {
  const text = readFileOrNull(pauseFile(directory, id))
  if (text === null) return null
  try {
    return pauseSchema.parse(JSON.parse(text))
  } catch {
    // The file alone pauses the rollout: an operator may have written it by hand.
    return { by: 'unknown', since: '', comment: '' }
  }
}

export function writePause(directory: string, id: string, pause: RolloutPause): void {
  const path = pauseFile(directory, id)
  replaceStateFile(path, `${JSON.stringify(pause)}\n`)
  // The process of the rollout must be able to read what root has written.
  const { uid, gid } = statSync(`${directory}/deployments/${id}`)
  if (process.getuid?.() === 0) chownSync(path, uid, gid)
}

export function removePause(directory: string, id: string): void {
  rmSync(pauseFile(directory, id), { force: true })
}

function pauseFile(directory: string, id: string): string {
  return `${directory}/deployments/${id}/paused.json`
}

/** What a tool in the comparison has to say of itself. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from '../measure.ts'
import type { State } from '../state.ts'

export interface Peer {
  readonly name: string
  /** Debian package to install, for the note that it is missing. */
  readonly package?: string
  /** Its version, or null where it is not installed. */
  version(): string | null
  /** The most resources it is given without --slow: beyond that a single run takes minutes. */
  readonly largest: number
  /** Writes its manifests below `here`; gives the command that converges `state`. */
  prepare(here: string, state: State): Command
}

export function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text, { mode: 0o600 })
}

/** First number with dots that a program prints for a version; null where there is no such program. */
export function versionOf(program: string, ...args: string[]): string | null {
  const { error, stdout }: SpawnSyncReturns<string> = spawnSync(program, args, { encoding: 'utf8' })
  return error ? null : (/\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'unknown')
}

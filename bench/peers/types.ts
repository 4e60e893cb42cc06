/** Defines the interface of a tool in the comparison. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Command } from '../measure.ts'
import type { State } from '../state.ts'

export interface Peer {
  readonly name: string
  /** Debian package that the note about a missing tool names. */
  readonly package?: string
  /** Its version; null if it is not installed. */
  version(): string | null
  /** Maximum number of resources without --slow: with more, a single run takes minutes. */
  readonly largest: number
  /** Writes its manifests below `here`, and returns the command that converges `state`. */
  prepare(scratch: string, state: State): Command
}

export function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text, { mode: 0o600 })
}

/** Returns the first number with dots that a program prints; null if the program does not exist. */
export function versionOf(program: string, ...args: string[]): string | null {
  const { error, stdout }: SpawnSyncReturns<string> = spawnSync(program, args, { encoding: 'utf8' })
  return error ? null : (/\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'unknown')
}

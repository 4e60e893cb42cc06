/** Counts the programs that a command starts, with strace. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { baseEnvironment, type Command } from './measure.ts'

/**
 * @returns the command lines that the program itself ran, without those of its children; null if strace is not
 *   installed or not permitted
 */
export function programsOf(command: Command, home: string, log: string): string[] | null {
  const trace = ['-f', '-s', '200', '-e', 'trace=execve,clone,clone3,fork,vfork', '-o', log]
  const { error, status } = spawnSync('strace', [...trace, ...command.argv], {
    cwd: command.cwd ?? home,
    env: { ...baseEnvironment(home), ...command.environment },
    stdio: 'ignore',
  })
  return error || status !== 0 ? null : directPrograms(readFileSync(log, 'utf8'))
}

/** Parses lines such as `123 vfork() = 456` and `456 execve("/usr/bin/git", ["git", …], …) = 0`. */
export function directPrograms(trace: string): string[] {
  const lines = trace.split('\n')
  const root = /^\d+/.exec(trace)?.[0]
  // Threads and children of the program count as the program until they run another one.
  const ours = new Set([root])
  const programs: string[] = []
  let first = true
  for (const line of lines) {
    const [, pid, rest] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (pid === undefined || rest === undefined || !ours.has(pid)) continue
    const child = /(?:clone3?|v?fork)(?:\(| resumed).* = (\d+)$/.exec(rest)?.[1]
    if (child !== undefined) ours.add(child)
    const words = /^execve\(".*?", \[(.*?)\](?:, .*)? = 0$/.exec(rest)?.[1]
    if (words === undefined) continue
    if (!first) {
      programs.push(words.replaceAll('"', '').replaceAll(', ', ' '))
      ours.delete(pid)
    }
    first = false
  }
  return programs
}

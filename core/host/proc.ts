/** Identifies processes beyond their numbers, which are used again: by boot and start time, from proc(5). */
import { readFileSync } from 'node:fs'

/** Clock ticks from boot to the start of a process, or null where it does not run. Its name may hold spaces and parentheses. */
export function startTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : (fields[19] ?? null)
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

/** Identifies the boot, since ticks and process numbers start again with each one. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

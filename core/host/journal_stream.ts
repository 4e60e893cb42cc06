/** Detects whether the output of this process goes to the journal of systemd. */
import { fstatSync } from 'node:fs'

/**
 * @param descriptor an open file; a process with a redirected output inherits the variable too
 * @param stream JOURNAL_STREAM of systemd.exec(5): device and inode of the journal's socket
 */
export function isJournalStream(descriptor: number, stream = process.env.JOURNAL_STREAM): boolean {
  if (stream === undefined) return false
  const { dev, ino } = fstatSync(descriptor)
  return stream === `${dev}:${ino}`
}

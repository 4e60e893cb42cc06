/** Takes and releases a lock repeatedly in its own process, and logs when it has the lock. */
import { appendFileSync, existsSync } from 'node:fs'
import { tryLock } from '../../core/host/lock.ts'

const [path = '', log = '', stop = ''] = process.argv.slice(2)
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const parent = process.ppid
// Exits with the test that started it, however that test ends.
while (!existsSync(stop) && process.ppid === parent) {
  const attempt = tryLock(path, 'contender')
  if ('holder' in attempt) {
    await pause(Math.random() * 4)
    continue
  }
  appendFileSync(log, `${process.pid} in\n`)
  if (Math.random() < 0.5) await pause(Math.random() * 8)
  appendFileSync(log, `${process.pid} out\n`)
  attempt.lock.release()
  await pause(Math.random() * 4)
}

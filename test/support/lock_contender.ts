/** A process that takes a lock and gives it back, over and over, and notes down when it is inside. */
import { appendFileSync, existsSync } from 'node:fs'
import { tryLock } from '../../core/host/lock.ts'

const [path = '', log = '', stop = ''] = process.argv.slice(2)
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const parent = process.ppid
// It ends with the test that has started it, however that ends.
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

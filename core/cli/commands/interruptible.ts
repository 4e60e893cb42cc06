/** Lets signals interrupt a run: the first one after the current resource, the second one at once. */
import { killRunning } from '../../host/process.ts'

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Handles SIGINT, SIGTERM and a terminal that hangs up. At the first signal, the run finishes the current resource.
 * At the second, it ends its commands and this process: the lock is freed, and the next run finishes the work.
 */
export async function interruptible<T>(work: (interrupted: () => boolean) => Promise<T>): Promise<T> {
  let isInterrupted = false
  const removeHandlers = () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    // Ignore SIGHUP without a terminal: nohup or a scheduler started the process.
    if (signal === 'SIGHUP' && !process.stdout.isTTY) return
    if (!isInterrupted) {
      isInterrupted = true
      process.stderr.write(`\n${signal}: finishing the current step; the same signal again ends it at once\n`)
      return
    }
    removeHandlers()
    killRunning('SIGKILL')
    process.stderr.write('\nended; the next run finishes the work\n')
    // The handlers are removed: the signal has its default effect on this process.
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  try {
    return await work(() => isInterrupted)
  } finally {
    removeHandlers()
  }
}

/** Limits how long work may take, and waits until it has ended before anything else starts. */
import { ConvergeError } from '../model/errors.ts'
import { type Duration, seconds } from '../model/units.ts'

/** How long the work may take to end after its deadline. */
const gracePeriod = seconds(10)

/**
 * Runs work with a limit of its time; undefined: no limit.
 * @param end called at the deadline, to end the commands of the work
 * @throws ConvergeError TIMEOUT, or STILL_RUNNING if the work continues nevertheless: then it must not start again
 */
export async function withDeadline<T>(
  limit: Duration | undefined,
  work: () => Promise<T>,
  end: () => void = () => undefined,
): Promise<T> {
  if (limit === undefined) return work()
  const working = work()
  if (await settledWithin(working, limit)) return working
  end()
  const ended = await settledWithin(working, gracePeriod)
  throw new ConvergeError(`it was not done within ${limit}`, {
    code: ended ? 'TIMEOUT' : 'STILL_RUNNING',
    attempted: 'apply',
    hint: ended
      ? 'give it a longer timeout, or find out what it waits for'
      : 'find out what it waits for, and end it: it did not stop at its deadline',
  })
}

/** Waits until the work has succeeded or failed, but no longer than the limit. @returns whether it has ended */
async function settledWithin(work: Promise<unknown>, limit: Duration): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limit.timer)
  })
  const settled = work.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, deadline])
  } finally {
    clearTimeout(timer)
  }
}

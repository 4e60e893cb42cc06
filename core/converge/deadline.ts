/** Limits how long something may take, and sees to it that it is over before anything else starts. */
import { ConvergeError } from '../model/errors.ts'
import { type Duration, seconds } from '../model/units.ts'

/** How long after its deadline it may take to end before it is given up. */
const gracePeriod = seconds(10)

/**
 * @param end called when the time is over, to end what it runs
 * @throws ConvergeError TIMEOUT, or STILL_RUNNING if it continues after the request to end: then it must not be started again
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

/** Whether the work came to an end, good or bad, in that time. */
async function settledWithin(work: Promise<unknown>, limit: Duration): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limit.timer)
  })
  const settled = work.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, over])
  } finally {
    clearTimeout(timer)
  }
}

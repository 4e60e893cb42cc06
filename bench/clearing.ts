/** Ends everything that a benchmark has started: at its end, after an error, and on SIGINT or SIGTERM. */
import type { Owner } from '../test/support/machine.ts'

export async function withCleanUp<T>(work: (owner: Owner) => Promise<T>): Promise<T> {
  const clear: (() => unknown)[] = []
  let cleaning: Promise<void> | undefined
  const all = async () => {
    for (const what of clear) await what()
  }
  const clean = () => {
    cleaning ??= all()
    return cleaning
  }
  const leave = () => void clean().finally(() => process.exit(1))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave)
  try {
    return await work({ teardown: (what) => void clear.unshift(what) })
  } finally {
    await clean()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave)
  }
}

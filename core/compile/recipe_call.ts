/** Calls a recipe, and masks secrets in what it prints. */
import type { Mask } from './props.ts'

let running = 0

/** Whether a recipe is running, and not only a file of recipes. */
export const isRecipeRunning = (): boolean => running > 0

/** Runs a recipe with its output masked. */
export function callRecipe<T>(call: () => T, mask: Mask): T {
  running++
  const restore = maskOutput(mask)
  try {
    return call()
  } finally {
    restore()
    running--
  }
}

function maskOutput(mask: Mask): () => void {
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write }))
  for (const { stream, write } of streams)
    stream.write = ((chunk: unknown, ...rest: never[]) =>
      write.call(stream, (typeof chunk === 'string' ? mask(chunk) : chunk) as string, ...rest)) as typeof write
  return () => {
    for (const { stream, write } of streams) stream.write = write
  }
}

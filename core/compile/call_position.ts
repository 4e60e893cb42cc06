/** Records at which line a recipe called the engine. */
import type { SourceLocation } from '../model/errors.ts'
import { locateFrame } from './source.ts'

/** Records the stack of a recipe's call. The result computes the position from it, which takes longer. */
export function callPosition(called: (...args: never[]) => unknown): () => SourceLocation | undefined {
  const frame: { stack?: string } = {}
  // A few frames contain the recipe's line; ten for each of 10,000 resources would only use memory.
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 4
  Error.captureStackTrace(frame, called)
  Error.stackTraceLimit = limit
  return () => locateFrame(frame.stack)
}

export const noPosition = () => undefined

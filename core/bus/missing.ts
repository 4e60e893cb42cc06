/** Recognizes errors of JetStream about streams and consumers that do not exist. */

/** Decides whether an error says that a stream or a consumer does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && /(stream|consumer) not found/i.test(error.message)
}

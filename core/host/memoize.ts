/** Stores computed answers until they are no longer valid. */

/** Returns the answer that is stored under the key, or asks for it now. */
export function memoize<T>(answers: Map<string, Promise<unknown>>, key: string, ask: () => Promise<T>): Promise<T> {
  const known = answers.get(key)
  if (known !== undefined) return known as Promise<T>
  const answer = ask()
  answers.set(key, answer)
  // A failed query may succeed later in the same run, when the program or the account exists.
  answer.catch(() => answers.get(key) === answer && answers.delete(key))
  return answer
}

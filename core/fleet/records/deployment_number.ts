/** Formats the number of a deployment for operators. */

/** Removes the leading zeros, which only serve to sort. */
export function shortId(id: string): string {
  return id.replace(/^0+(?=\d)/, '')
}

/** Leaves out the middle of a text, so that half of a secret is neither left nor shown. */

/** Characters in which the end of a word is looked for. */
const longestWord = 4096
/** A shorter part of a secret reveals nothing. */
const shortestPart = 4

const mark = / \u2026 [\d,]+ characters left out \u2026 /g

/** @param omitted characters that are left out already */
export function shortenMiddle(start: string, end: string, omitted: number): string {
  const head = start.slice(0, endOfWords(start))
  const tail = end.slice(startOfWords(end))
  const count = omitted + start.length - head.length + end.length - tail.length
  return `${head} … ${count.toLocaleString('en')} characters left out … ${tail}`
}

/** A word that is cut in two would not be recognized as a secret: it is left out as a whole, unless it is very long. */
function endOfWords(text: string): number {
  const at = text.slice(-longestWord).search(/\s\S*$/)
  return at === -1 ? text.length : Math.max(0, text.length - longestWord) + at
}

function startOfWords(text: string): number {
  const at = text.slice(0, longestWord).search(/\s/)
  return at === -1 ? 0 : at + 1
}

/** Masks what a cut has left of known secrets, such as one with blanks in it. */
export function maskCuts(text: string, secrets: Iterable<string>, mask: string): string {
  if (!text.includes(' characters left out … ')) return text
  const known = [...secrets]
  let masked = ''
  let from = 0
  for (const found of text.matchAll(mark)) {
    const before = text.slice(from, found.index)
    masked += `${removePart(before, known, mask, 'end')}${found[0]}`
    from = found.index + found[0].length
  }
  return masked + removePart(text.slice(from), known, mask, 'start')
}

function removePart(text: string, secrets: readonly string[], mask: string, side: 'start' | 'end'): string {
  let longest = 0
  for (const secret of secrets)
    for (
      let length = Math.min(secret.length - 1, text.length);
      length >= Math.max(shortestPart, longest + 1);
      length--
    ) {
      const isPart =
        side === 'end' ? text.endsWith(secret.slice(0, length)) : text.startsWith(secret.slice(secret.length - length))
      if (isPart) longest = length
    }
  if (longest === 0) return text
  return side === 'end' ? text.slice(0, text.length - longest) + mask : mask + text.slice(longest)
}

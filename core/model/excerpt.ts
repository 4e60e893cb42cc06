/** Shortens the output of a command to its first and last lines, because the reason of a failure is at one of the ends. */

const [firstLines, lastLines] = [20, 50]
const longestLine = 1000

/**
 * @param text all that was printed
 * @param location what holds the whole text, for the line that stands for what is left out
 * @returns undefined for a blank text
 */
export function excerpt(text: string | undefined, location?: string): string | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const lines = text.replace(/\s+$/, '').split(/\r\n|\n|\r/)
  const omitted = lines.length - firstLines - lastLines
  // An excerpt stays as it is: hosts send what they have shortened already.
  if (omitted <= 1) return lines.map((line) => shortLine(line)).join('\n')
  const mark = `… ${omitted} lines left out${location === undefined ? '' : `; all of it: ${location}`}`
  return [...lines.slice(0, firstLines), mark, ...lines.slice(-lastLines)].map((line) => shortLine(line)).join('\n')
}

export function shortLine(line: string, longest = longestLine): string {
  return line.length > longest ? `${line.slice(0, longest)}…` : line
}

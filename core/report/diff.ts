/** Computes the lines of a diff between two texts. */
import { differenceMark } from '../model/secrets.ts'

/** @returns lines that begin with `+`, `-`, a blank, or `@@` between parts that are not beside each other */
export type DiffOf = (texts: { readonly before: string; readonly after: string }) => string[]

/** Loads the library that computes diffs. A caller loads it before the run, since handlers of events are synchronous. */
export async function loadDiff(): Promise<DiffOf> {
  const { createTwoFilesPatch } = await import('diff')
  return ({ before, after }) =>
    before === ''
      ? addedLines(after)
      : createTwoFilesPatch('before', 'after', before, after, undefined, undefined, { context: 2 })
          .split('\n')
          .slice(4)
          .filter((line) => line !== '' && !line.startsWith('\\'))
          .map((line) => line.replaceAll(differenceMark, ''))
}

/** For a new file, every line is an addition; to compute its diff would take longer than to write the file. */
function addedLines(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `+${line}`)
}

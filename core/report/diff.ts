/** The difference between two texts, as the lines of a diff. */

import { differs } from '../model/secrets.ts'

/** @returns lines that begin with `+`, `-`, a blank, or `@@` between parts that are not beside each other */
export type DiffOf = (texts: { readonly before: string; readonly after: string }) => string[]

/** Loads what draws diffs; before the run, since handlers are synchronous. */
export async function loadDiff(): Promise<DiffOf> {
  const { createTwoFilesPatch } = await import('diff')
  return ({ before, after }) =>
    before === ''
      ? addedLines(after)
      : createTwoFilesPatch('before', 'after', before, after, undefined, undefined, { context: 2 })
          .split('\n')
          .slice(4)
          .filter((line) => line !== '' && !line.startsWith('\\'))
          .map((line) => line.replaceAll(differs, ''))
}

/** A new file is all additions; to find that out, a diff would take longer than to write the file. */
function addedLines(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `+${line}`)
}

/** Writes the journal of a run: JSON lines in the state directory, written as things happen, the last 30 kept. */
import type { StateDirectory } from '../host/state_directory.ts'
import type { DiffOf } from '../report/diff.ts'
import type { Handlers } from '../report/events.ts'
import { jsonLines } from '../report/json_lines.ts'

const storedRuns = 30

/**
 * Buffers lines until the first change is applied: a run with nothing to do writes once, at its end.
 * @param diff draws the diffs of texts that change; the whole of a new text is in its patch
 */
export function journal(state: StateDirectory, run: string, diff: DiffOf): Handlers {
  const pending: string[] = []
  let file: ReturnType<StateDirectory['openJournal']> | undefined
  const write = (text: string) => {
    if (file) file.write(text)
    else pending.push(text)
  }
  const openFile = () => {
    if (file) return
    file = state.openJournal(run)
    file.write(pending.join(''))
  }
  const lines = jsonLines(write, {
    unchanged: false,
    wholeOutput: true,
    diff: (texts) => (texts.before === '' ? [] : diff(texts)),
  })
  return {
    ...lines,
    // Live output is for those who watch; where a command fails, all of it is with the failure.
    progress: () => undefined,
    applying(name) {
      openFile()
      lines.applying?.(name)
    },
    end(report) {
      lines.end?.(report)
      openFile()
      file?.close()
      state.removeOldRuns(storedRuns)
    },
  }
}

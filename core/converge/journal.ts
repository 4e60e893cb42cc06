/** The journal of a run: JSON lines in the state directory, written as things happen, the last 30 kept. */
import type { StateDirectory } from '../host/state_files.ts'
import type { Handlers } from '../report/events.ts'
import { jsonLines } from '../report/machine.ts'

const kept = 30

/** Lines are held back until something is applied: a run with nothing to do writes once, at its end. */
export function journal(state: StateDirectory, run: string): Handlers {
  let held: string[] | undefined = []
  const write = (text: string) => {
    if (held) held.push(text)
    else state.append(run, text)
  }
  const release = () => {
    if (!held) return
    state.append(run, held.join(''))
    held = undefined
  }
  const lines = jsonLines(write, false)
  return {
    ...lines,
    // Live output is for whoever watches; its end is in the error where it matters.
    progress: () => undefined,
    applying(name) {
      release()
      lines.applying?.(name)
    },
    end(report) {
      lines.end?.(report)
      release()
      state.keep(kept)
    },
  }
}

/** Finds the line of a recipe that does not end, by stepping through it. Code that is ended leaves no stack trace. */
import type { Debugger } from 'node:inspector'
import { createRequire } from 'node:module'
import vm from 'node:vm'
import type { SourceLocation } from '../model/errors.ts'
import { type Frame, isUsersFile, originalPosition, ownFile, pathOfScript } from './source.ts'

type Inspector = typeof import('node:inspector')

let loaded: Inspector | null | undefined

/** Returns the module of Node.js; null if Node.js was built without it. */
export function inspector(): Inspector | null {
  if (loaded !== undefined) return loaded
  try {
    loaded = createRequire(import.meta.url)('node:inspector') as Inspector
  } catch {
    loaded = null
  }
  return loaded
}

/** The last steps, which are in the loop. */
const lastSteps = 100
/** A line that ran less often is not of a loop. */
const leastRepeats = 5

/** The functions around it are not of the recipe. */
const filename = 'node:converge-observed'

/** Scripts that the debugger passes over: a step in the engine takes long. */
const passedOver = [`^(?!/|file:|${filename})`, `${ownFile.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`]

/**
 * Runs a script step by step until it is ended.
 * @param run runs the script, and ends it after some time
 * @param text of the script
 * @returns the line of the user's code that ran most at the end; undefined for none
 */
export function lastLine(run: (script: vm.Script) => unknown, text: string): SourceLocation | undefined {
  const module = inspector()
  if (module === null) return undefined
  const steps: Frame[] = []
  const session = new module.Session()
  session.connect()
  // The frames themselves do not always have the name of their script.
  const paths = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => paths.set(scriptId, pathOfScript(url)))
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    const frames = callFrames.map(({ location }) => frameOf(location, paths))
    const start = frames.findIndex(({ file }) => file === filename)
    if (start < 0) return
    const inner = frames.slice(0, start)
    const own = inner.find(({ file }) => isUsersFile(file))
    if (own !== undefined) {
      steps.push(own)
      if (steps.length > 2 * lastSteps) steps.splice(0, lastSteps)
    }
    session.post(own === undefined || own === inner[0] ? 'Debugger.stepInto' : 'Debugger.stepOut')
  })
  session.post('Debugger.enable')
  session.post('Debugger.setBlackboxPatterns', { patterns: passedOver })
  try {
    run(new vm.Script(`debugger; ${text}`, { filename }))
  } catch {
    // It is ended again.
  }
  session.disconnect()
  return mostFrequent(steps.slice(-lastSteps).map(originalPosition))
}

function frameOf(
  { scriptId, lineNumber, columnNumber = 0 }: Debugger.Location,
  paths: ReadonlyMap<string, string>,
): Frame {
  return { file: paths.get(scriptId) ?? '', line: lineNumber + 1, column: columnNumber + 1 }
}

/** Of lines that ran equally often, the first one, where the loop begins. */
function mostFrequent(steps: readonly SourceLocation[]): SourceLocation | undefined {
  const counts = new Map<string, { readonly file: string; readonly line: number; count: number }>()
  for (const { file, line = 0 } of steps) {
    const entry = counts.get(`${file}:${line}`) ?? { file, line, count: 0 }
    entry.count++
    counts.set(`${file}:${line}`, entry)
  }
  const [most] = [...counts.values()].toSorted((one, other) => other.count - one.count || one.line - other.line)
  return most === undefined || most.count < leastRepeats ? undefined : { file: most.file, line: most.line }
}

/** Stores the state of a stack between deployments: online hosts, missed deployments, and commits by app. */
import * as z from 'zod'
import { makeDirectories } from '../../host/directories.ts'
import { acquireLock } from '../../host/lock.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { seconds } from '../../model/units.ts'
import type { StackChanges } from '../rollout/state/request.ts'
import { readFileOrNull, replaceStateFile, unusableDirectory } from './state_files.ts'

/** Keys that a later version writes are kept. */
const schema = z.looseObject({
  hosts: z
    .record(
      z.string(),
      z.looseObject({
        /** `new`: never set up; `online`: set up, and not shut down. */
        status: z.enum(['online', 'stopped', 'new']),
        /** The deployment that it missed, because it was down or unreachable. */
        behind: z.string().optional(),
        /** Those of its apps that it missed; absent for all. */
        missedApps: z.array(z.string()).optional(),
        lastDeployment: z.string().optional(),
      }),
    )
    .default({}),
  apps: z
    .record(z.string(), z.looseObject({ commit: z.string(), revision: z.string(), deployment: z.string() }))
    .default({}),
})

export type StackState = z.infer<typeof schema>

const pathOf = (directory: string) => `${directory}/state.json`

/**
 * Loads the state; empty where none is stored yet.
 * @throws BROKEN_STACK_STATE with the path of each error
 */
export function loadState(directory: string): StackState {
  const path = pathOf(directory)
  const text = readFileOrNull(path)
  return text === null ? { hosts: {}, apps: {} } : parse(text, path)
}

function parse(text: string, path: string): StackState {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw brokenState(path, asConvergeError(error).message)
  }
  const checked = schema.safeParse(value)
  if (checked.success) return checked.data
  const problems = checked.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole file'}: ${message}`)
  throw brokenState(path, problems.join('; '))
}

function brokenState(path: string, problem: string): ConvergeError {
  return new ConvergeError(`the state of the stack cannot be read: ${problem}`, {
    code: 'BROKEN_STACK_STATE',
    source: { file: path },
    hint: 'repair it, or restore it from a copy; without the file every host counts as new until the next setup',
  })
}

/**
 * Reads the state, changes it and replaces the file; one operator at a time, the others wait.
 * @param change returns the new state; it gets the one in the file, and is called once
 * @throws BROKEN_STACK_STATE, NO_STACK_STATE, LOCKED after 30 s
 */
export async function updateState(directory: string, change: (state: StackState) => StackState): Promise<StackState> {
  const lock = await lockState(directory)
  try {
    const state = change(loadState(directory))
    try {
      replaceStateFile(pathOf(directory), `${JSON.stringify(state, null, 2)}\n`)
    } catch (error) {
      throw unusableDirectory(directory, error, false)
    }
    return state
  } finally {
    lock.release()
  }
}

/**
 * Records what a rollout has changed about the stack.
 * @param id of the deployment
 * @throws as updateState
 */
export async function recordStackChanges(directory: string, id: string, changes: StackChanges): Promise<void> {
  const { online, stopped, outdated, missedApps, upToDate, receivedApps, apps } = changes
  await updateState(directory, (state) => {
    const hosts = { ...state.hosts }
    const set = (names: readonly string[], change: Partial<StackState['hosts'][string]>) => {
      for (const name of names) hosts[name] = { status: 'new', ...hosts[name], ...change }
    }
    set(online, { status: 'online', lastDeployment: id })
    set(stopped, { status: 'stopped' })
    for (const [name, received] of Object.entries(receivedApps)) {
      const missing = hosts[name]?.missedApps?.filter((app) => !received.includes(app))
      if (missing !== undefined) set([name], { missedApps: missing })
    }
    for (const name of outdated) {
      const { behind, missedApps: missedBefore } = hosts[name] ?? {}
      // Without a list of apps, an earlier deployment was missed as a whole.
      const missing = behind === undefined || missedBefore !== undefined ? missedApps[name] : undefined
      set([name], { behind: id, ...(missing && { missedApps: [...new Set([...(missedBefore ?? []), ...missing])] }) })
    }
    for (const name of upToDate) {
      const { behind: _, missedApps: __, ...rest } = hosts[name] ?? { status: 'new' as const }
      hosts[name] = rest
    }
    const deployed = Object.entries(apps).map(([app, one]) => [app, { ...one, deployment: id }])
    return { ...state, hosts, apps: { ...state.apps, ...Object.fromEntries(deployed) } }
  })
}

async function lockState(directory: string) {
  try {
    makeDirectories(directory, 0o700)
    return await acquireLock(`${directory}/state`, 'converge stack', seconds(30), undefined, pathOf(directory))
  } catch (error) {
    throw error instanceof ConvergeError ? error : unusableDirectory(directory, error, false)
  }
}

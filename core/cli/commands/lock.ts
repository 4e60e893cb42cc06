/** Runs `converge lock` and `converge unlock`, and checks the deploy lock for other commands. */
import {
  type DeployLock,
  describeDeployLock,
  lockedBy,
  readDeployLock,
  removeDeployLock,
  takeDeployLock,
} from '../../host/deploy_lock.ts'
import { StateDirectory } from '../../host/state_directory.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { author, stateDirectory } from '../inputs/read_inputs.ts'
import { print, printJson } from '../print.ts'

/** The events that a lock forbids: they install or remove code, or prepare that. The others only maintain it. */
const forbiddenEvents: readonly string[] = ['build', 'deploy', 'rollback', 'rebuild', 'undeploy']

/**
 * @returns a warning for the holder of the lock or for a dry run, or null
 * @throws DEPLOY_LOCKED if somebody else holds the lock
 */
export function checkDeployLock(
  directory: string,
  events: readonly string[],
  isDryRun: boolean,
  by = author(),
): string | null {
  if (!events.some((event) => forbiddenEvents.includes(event))) return null
  new StateDirectory(directory).check()
  const lock = visibleLock(directory)
  if (lock === null) return null
  if (lock.by !== by && !isDryRun) throw lockedBy(lock)
  return `deploys are locked by ${describeDeployLock(lock)} (unlock to let others deploy)`
}

/** Returns the current lock; null if this account cannot read it: such an account cannot deploy anyway. */
export function visibleLock(directory: string): DeployLock | null {
  try {
    return readDeployLock(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    return null
  }
}

export function lock(args: Arguments): ExitStatus {
  const directory = stateDirectory(args)
  new StateDirectory(directory).prepare()
  const newLock = { by: args.by ?? author(), since: new Date().toISOString(), message: args.message ?? '' }
  takeDeployLock(directory, newLock)
  return printResult(args, { locked: true, ...newLock }, `deploys are locked by ${describeDeployLock(newLock)}`)
}

/** Removes the lock, also that of another holder: an account that can run this can remove the file as well. */
export function unlock(args: Arguments): ExitStatus {
  const directory = stateDirectory(args)
  new StateDirectory(directory).check()
  const before = readOrUndefined(directory)
  removeDeployLock(directory)
  return printResult(args, { locked: false, was: before }, before === null ? 'there was no lock' : 'lock removed')
}

function readOrUndefined(directory: string) {
  try {
    return readDeployLock(directory)
  } catch {
    // Remove an unreadable lock as well.
    return undefined
  }
}

function printResult(args: Arguments, json: object, text: string): ExitStatus {
  if (args.jsonOutput) printJson(json)
  else if (!args.quiet) print(`${text}\n`)
  return 0
}

/** The lock that a person puts on deploys: who holds it, since when and why; it stays until it is taken off. */
import * as fs from 'node:fs'
import { ConvergeError } from '../model/errors.ts'
import { makePrivateDirectories } from './state_directory.ts'

export interface DeployLock {
  /** Account and host, as in `releases`. */
  readonly by: string
  /** ISO time. */
  readonly since: string
  /** Why; may be empty. */
  readonly message: string
}

const pathOf = (stateDirectory: string) => `${stateDirectory}/deploy-lock.json`

/**
 * The lock that is on, or null.
 * @throws BROKEN_LOCK for a file that is none: somebody meant to stop deploys with it
 */
export function readDeployLock(stateDirectory: string): DeployLock | null {
  const path = pathOf(stateDirectory)
  let text: string
  try {
    // Reading a pipe would wait for a writer.
    text = fs.statSync(path).isFile() ? fs.readFileSync(path, 'utf8') : ''
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
  try {
    const { by, since, message } = JSON.parse(text) as DeployLock
    if ([by, since, message].every((value) => typeof value === 'string')) return { by, since, message }
  } catch {
    // Reported below, like a lock with another text.
  }
  throw new ConvergeError(`the deploy lock ${path} is damaged`, {
    code: 'BROKEN_LOCK',
    hint: 'run converge unlock, which removes it',
  })
}

/**
 * Puts the lock on; what others have put on is theirs to take off.
 * @throws DEPLOY_LOCKED where somebody else holds it
 */
export function putDeployLock(stateDirectory: string, lock: DeployLock): void {
  const before = readDeployLock(stateDirectory)
  if (before !== null && before.by !== lock.by) throw lockedBy(before)
  makePrivateDirectories(stateDirectory)
  const path = pathOf(stateDirectory)
  const beside = `${path}.${process.pid}`
  fs.writeFileSync(beside, `${JSON.stringify(lock)}\n`, { mode: 0o600, flush: true })
  try {
    // Only one of two simultaneous holders gets it; the holder may change its own text.
    if (before === null) fs.linkSync(beside, path)
    else fs.renameSync(beside, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const first = readDeployLock(stateDirectory)
    throw first === null ? error : lockedBy(first)
  } finally {
    fs.rmSync(beside, { force: true })
  }
}

export function removeDeployLock(stateDirectory: string): void {
  fs.rmSync(pathOf(stateDirectory), { force: true, recursive: true })
}

export function lockedBy(lock: DeployLock): ConvergeError {
  return new ConvergeError(`deploys are locked by ${describeDeployLock(lock)}`, {
    code: 'DEPLOY_LOCKED',
    hint: 'ask the holder first; converge unlock removes the lock, and converge stack unlock those of a stack',
  })
}

export function describeDeployLock({ by, since, message }: DeployLock): string {
  return `${by} since ${since}${message === '' ? '' : `: ${message}`}`
}

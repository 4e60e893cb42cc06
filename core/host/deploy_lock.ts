/** Manages the lock by which a person prevents deploys: its holder, its time and its reason. It stays until it is removed. */
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
 * Reads the lock; null if deploys are not locked.
 * @throws BROKEN_LOCK for a damaged file, which must not permit deploys
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
 * Takes the lock, or replaces the text of one that the same person holds.
 * @throws DEPLOY_LOCKED if another person holds it
 */
export function takeDeployLock(stateDirectory: string, lock: DeployLock): void {
  const existing = readDeployLock(stateDirectory)
  if (existing !== null && existing.by !== lock.by) throw lockedBy(existing)
  makePrivateDirectories(stateDirectory)
  const path = pathOf(stateDirectory)
  const temporary = `${path}.${process.pid}`
  fs.writeFileSync(temporary, `${JSON.stringify(lock)}\n`, { mode: 0o600, flush: true })
  try {
    // Of two simultaneous operators, only one can create the link.
    if (existing === null) fs.linkSync(temporary, path)
    else fs.renameSync(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const first = readDeployLock(stateDirectory)
    throw first === null ? error : lockedBy(first)
  } finally {
    fs.rmSync(temporary, { force: true })
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

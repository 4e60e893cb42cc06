/** Invites administrators and copies the database, from the command line and also while the console runs. */
import { existsSync } from 'node:fs'
import { lockHolder } from '../host/lock.ts'
import { ConvergeError } from '../model/errors.ts'
import { Accounts } from './access/accounts.ts'
import { DeploymentStore } from './deployments/store.ts'
import { Schedules } from './schedules/schedules.ts'
import { Database, databaseFile } from './storage/database.ts'

/** Makes an invitation for an administrator. @throws NO_CONSOLE */
export function inviteAdministrator(directory: string): string {
  const database = existingDatabase(directory)
  try {
    return new Accounts(database, () => new Date()).invite({ isAdmin: true, levels: {}, isByCommand: true })
  } finally {
    database.close()
  }
}

/** Writes a copy of the database. @throws NO_CONSOLE, CANNOT_COPY */
export function backupDatabase(directory: string, path: string): void {
  const database = existingDatabase(directory)
  try {
    database.backup(path, endWhatIsUnderWay)
  } finally {
    database.close()
  }
}

/** A restored console must not start or send automatically what was due when the copy was made. */
function endWhatIsUnderWay(copy: Database): void {
  const now = () => new Date()
  new DeploymentStore(copy, now).interruptActive('the console was restored from a backup')
  new Schedules(copy, now).forgetTimes()
  // Also those about the interruption itself.
  copy.run("DELETE FROM notices WHERE state = 'pending'")
  // A copy is kept for long, and what opens the console without a password has no use in it.
  copy.run('DELETE FROM sessions')
  copy.run('DELETE FROM invitations')
}

/** @throws NO_CONSOLE, CONSOLE_DATABASE also if an older console runs with it */
function existingDatabase(directory: string): Database {
  const file = databaseFile(directory)
  if (existsSync(file)) {
    const holder = lockHolder(`${directory}/lock`)
    // A console that runs would not know the new tables.
    return new Database(file, { mayMigrate: holder === null })
  }
  throw new ConvergeError(`there is no console in ${directory}`, {
    code: 'NO_CONSOLE',
    hint: 'name its directory with --state-dir, or start the console first',
    usage: true,
  })
}

/** Invites administrators and copies the database, from the command line and also while the console runs. */
import { existsSync } from 'node:fs'
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
    // A restored console must not start automatically what was due when the copy was made.
    database.backup(path, (copy) => {
      const now = () => new Date()
      new DeploymentStore(copy, now).interruptActive('the console was restored from a backup')
      new Schedules(copy, now).forgetTimes()
    })
  } finally {
    database.close()
  }
}

function existingDatabase(directory: string): Database {
  if (existsSync(databaseFile(directory))) return new Database(databaseFile(directory))
  throw new ConvergeError(`there is no console in ${directory}`, {
    code: 'NO_CONSOLE',
    hint: 'name its directory with --state-dir, or start the console first',
    usage: true,
  })
}

/** Builds the errors for accounts and groups that the host does not have, or that only root can use. */
import { ConvergeError } from './errors.ts'

export function noAccount(name: string): ConvergeError {
  return new ConvergeError(`there is no account ${name} on this host`, {
    code: 'NO_ACCOUNT',
    hint: 'run the setup event first, or declare the account with user()',
  })
}

/** @param group its name, or `with the gid 4000` */
export function noGroup(group: string): ConvergeError {
  return new ConvergeError(`there is no group ${group} on this host`, {
    code: 'NO_GROUP',
    hint: 'run the setup event first, or declare the group with group()',
  })
}

export function onlyRoot(user: string): ConvergeError {
  return new ConvergeError(`only root can run a command as ${user}`, {
    code: 'NEEDS_ROOT',
    hint: user === 'root' ? 'run converge as root' : `run converge as root, or as ${user} with --prefix DIR`,
  })
}

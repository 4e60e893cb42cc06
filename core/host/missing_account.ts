/** The errors for an account or a group that the host does not have. */
import { ConvergeError } from '../model/errors.ts'

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

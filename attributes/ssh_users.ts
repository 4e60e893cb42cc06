/** The people who log in to the hosts of a stack, as the console of OpsWorks gave them to each host. */
import * as z from 'zod'
import { parseAuthorizedKey } from '../core/text/authorized_keys.ts'
import { field, mapKey, orNull, required, shape } from './fields.ts'
import { pattern } from './texts.ts'
import { flag } from './values.ts'

const userId = () => mapKey.regex(/^[1-9]\d{3,4}$/, { error: 'the number of an account, from 1000 to 99999' })

/** sudo reads a name of capital letters as an alias, and ALL as every account. */
const name = () => pattern(/^[a-z_][a-z0-9_.-]{0,31}$/, 'a name of lower-case letters, digits, `_`, `.` and `-`')

const publicKeys = () =>
  z.string().refine((text) => keyLines(text).every((line) => parseAuthorizedKey(line)?.options === ''), {
    error: 'public keys as in a .pub file, each on a line, without options',
  })

/** Returns the keys of a user. */
export function keyLines(text: string | null | undefined): string[] {
  return (text ?? '').split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
}

export const ssh_users = () =>
  field(
    orNull(
      z.record(
        userId(),
        shape({
          name: required(name(), 'Name of the account.'),
          public_key: field(
            orNull(publicKeys()),
            null,
            'Public keys that may log in, each on a line. Null for none; other keys of the account are removed.',
          ),
          sudoer: field(flag(), false, 'Lets the account run every command as any account, without a password.'),
        }),
      ),
    ),
    null,
    'Accounts of people, by number: the role base makes them in setup and configure. Accounts that are no longer named expire. Null changes nothing.',
    { mirrors: "ssh_users: node['ssh_users']" },
  )

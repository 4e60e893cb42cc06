/** Finds the age identities (private keys) of the operator, in the files where sops and age users keep them. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { expandHome } from '../host/home_path.ts'
import { readInputFile } from '../host/input_file.ts'
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { utf8Text } from '../model/utf8.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Private keys, and where they come from. */
export interface Identities {
  /** Keys that begin with AGE-SECRET-KEY-. */
  readonly keys: readonly string[]
  /** Files and variables that were read, for messages. */
  readonly origins: readonly string[]
}

/**
 * Returns the file with the operator's identities: `SOPS_AGE_KEY_FILE`, or `sops/age/keys.txt` in the configuration directory
 * (`XDG_CONFIG_HOME`, default `~/.config`).
 */
export function identityFile(environment: Environment): string {
  const named = environment.SOPS_AGE_KEY_FILE
  if (named !== undefined && named !== '') return resolve(expandHome(named))
  const home = environment.HOME || homedir()
  return join(environment.XDG_CONFIG_HOME || join(home, '.config'), 'sops/age/keys.txt')
}

/**
 * Reads the identities from the variable `SOPS_AGE_KEY`, or else from the file that `identityFile` returns.
 * @throws ConvergeError NO_IDENTITY where there is none; INVALID_IDENTITY where a line is no usable key
 */
export function readIdentities(environment: Environment): Identities {
  const text = environment.SOPS_AGE_KEY
  if (text !== undefined && text !== '') return identitiesIn(text, 'the variable SOPS_AGE_KEY')
  const file = identityFile(environment)
  try {
    return identitiesIn(utf8Text(readInputFile(file), file), file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new ConvergeError(`no age identity: the variable SOPS_AGE_KEY is not set, and ${file} does not exist`, {
      code: 'NO_IDENTITY',
      hint: 'create one: converge secrets init; or set SOPS_AGE_KEY_FILE to the file with yours',
      usage: true,
      cause: asConvergeError(error),
    })
  }
}

/** Returns the keys in the text of an identity file; `#` begins a comment. */
export function identitiesIn(text: string, origin: string): Identities {
  const lines = text.split(/\r?\n/).map((line, index) => ({ text: line.trim(), number: index + 1 }))
  const keys = lines.filter((line) => line.text !== '' && !line.text.startsWith('#'))
  for (const { text: key, number } of keys) {
    if (/^AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]+$/.test(key)) continue
    throw new ConvergeError(`${origin}:${number}: not an age identity`, {
      code: 'INVALID_IDENTITY',
      hint: 'each line must be a key that begins with AGE-SECRET-KEY-1; for keys of SSH, plugins or with a passphrase, decrypt with {"$command": ["age", "-d", "-i", "KEY", "FILE"]}',
      usage: true,
    })
  }
  if (keys.length === 0)
    throw new ConvergeError(`${origin} contains no age identity`, {
      code: 'NO_IDENTITY',
      hint: 'create one: converge secrets init',
      usage: true,
    })
  return { keys: keys.map(({ text: key }) => key), origins: [origin] }
}

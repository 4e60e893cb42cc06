/** Reads and writes a file of secrets that age encrypts for several recipients; the recipients are in a file beside it. */
import * as fs from 'node:fs'
import { readInputFile } from '../host/input_file.ts'
import { replaceFile } from '../host/replace_file.ts'
import { ConvergeError } from '../model/errors.ts'
import { utf8Text } from '../model/utf8.ts'
import { decryptAge, encryptAge } from './age_file.ts'
import { type Environment, readIdentities } from './age_identities.ts'

export interface SecretsFile {
  readonly path: string
  /** Decrypted. */
  readonly text: string
  /** Encrypted, as it was read. */
  readonly content: Buffer
}

/** @throws ConvergeError NO_SECRETS_FILE, NOT_AGE, NO_IDENTITY, WRONG_IDENTITY, DAMAGED_SECRET */
export async function openSecretsFile(path: string, environment: Environment): Promise<SecretsFile> {
  const content = existingContent(path)
  const text = utf8Text(Buffer.from(await decryptAge(content, path, readIdentities(environment))), path)
  return { path, text, content }
}

function existingContent(path: string): Buffer {
  try {
    return readInputFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new ConvergeError(`${path} does not exist`, {
      code: 'NO_SECRETS_FILE',
      hint: `create it: converge secrets init --file ${path}; or name another one with --file`,
      usage: true,
      cause: error,
    })
  }
}

/** The file with the public keys of those who can read a secrets file, one per line. */
export function recipientsFile(path: string): string {
  return `${path}.recipients`
}

/** @throws ConvergeError NO_RECIPIENTS */
export function readRecipients(path: string): string[] {
  const file = recipientsFile(path)
  const exists = fs.statSync(file, { throwIfNoEntry: false }) !== undefined
  const lines = exists ? utf8Text(readInputFile(file), file).split(/\r?\n/) : []
  const recipients = lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '')
  if (recipients.length > 0) return recipients
  throw new ConvergeError(exists ? `${file} contains no recipient` : `${file} does not exist`, {
    code: 'NO_RECIPIENTS',
    hint: `write the public keys (age1…) of all who may read ${path} into ${file}, one per line`,
    usage: true,
  })
}

/**
 * Encrypts a text for the recipients of the file and replaces the file, all or nothing.
 * @param before content that was read; null: the file must not exist
 * @throws ConvergeError CHANGED_MEANWHILE, NO_RECIPIENTS, INVALID_RECIPIENT; the errors of writing
 */
export async function writeSecretsFile(path: string, text: string, before: Buffer | null): Promise<void> {
  const encrypted = await encryptAge(text, readRecipients(path))
  const current = fs.existsSync(path) ? readInputFile(path) : null
  if (current === null ? before !== null : before === null || !current.equals(before))
    throw new ConvergeError(`somebody else changed ${path} meanwhile; nothing was written`, {
      code: 'CHANGED_MEANWHILE',
      hint: 'run the command again',
      usage: true,
    })
  replaceFile(path, encrypted, { keepsTarget: true })
}

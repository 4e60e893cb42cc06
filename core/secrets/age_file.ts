/** Encrypts and decrypts files of the format age (age-encryption.org/v1), in binary or armored form. */
import { ConvergeError } from '../model/errors.ts'
import type { Identities } from './age_identities.ts'

const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'
const binaryStart = 'age-encryption.org/'

/**
 * Decrypts the content of an age file.
 * @param name of the file, for messages
 * @throws ConvergeError NOT_AGE, WRONG_IDENTITY, DAMAGED_SECRET
 */
export async function decryptAge(content: Uint8Array, name: string, identities: Identities): Promise<Uint8Array> {
  const { armor, Decrypter } = await import('age-encryption')
  const start = Buffer.from(content.subarray(0, 1024)).toString('latin1').trimStart()
  const isArmored = start.startsWith(armorStart)
  if (!isArmored && !start.startsWith(binaryStart))
    throw new ConvergeError(`${name} is not an age file`, {
      code: 'NOT_AGE',
      hint: 'encrypt it: converge secrets init, or age -e -r RECIPIENT',
      usage: true,
    })
  const decrypter = new Decrypter()
  for (const key of identities.keys) addIdentity(decrypter, key, identities)
  try {
    return await decrypter.decrypt(isArmored ? armor.decode(Buffer.from(content).toString('latin1')) : content)
  } catch (error) {
    throw decryptionError(error, name, identities)
  }
}

function addIdentity(decrypter: { addIdentity(key: string): void }, key: string, { origins }: Identities): void {
  try {
    decrypter.addIdentity(key)
  } catch (error) {
    throw new ConvergeError(`${origins.join(', ')} contains a damaged age identity`, {
      code: 'INVALID_IDENTITY',
      hint: 'copy the key again, or restore the file from a backup',
      usage: true,
      cause: error,
    })
  }
}

function decryptionError(error: unknown, name: string, { origins }: Identities): ConvergeError {
  const reason = error instanceof Error ? error.message : String(error)
  if (/no identity matched/.test(reason))
    return new ConvergeError(`${name} is not encrypted for any identity of ${origins.join(', ')}`, {
      code: 'WRONG_IDENTITY',
      hint: 'ask somebody who can read it to add your public key and run: converge secrets rekey',
      usage: true,
      cause: error,
    })
  return new ConvergeError(`${name} is damaged: ${reason}`, {
    code: 'DAMAGED_SECRET',
    hint: 'restore the file from version control or a backup',
    usage: true,
    cause: error,
  })
}

/**
 * Encrypts a text for recipients, in armored form.
 * @param recipients public keys, age1…
 * @throws ConvergeError INVALID_RECIPIENT
 */
export async function encryptAge(text: string, recipients: readonly string[]): Promise<string> {
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient)
    } catch (error) {
      throw new ConvergeError(`invalid age recipient "${recipient}"`, {
        code: 'INVALID_RECIPIENT',
        hint: 'pass a public key that begins with age1, as age-keygen -y or converge secrets init prints it',
        usage: true,
        cause: error,
      })
    }
  }
  return armor.encode(await encrypter.encrypt(text))
}

/** Returns a new identity and its recipient (public key). */
export async function newIdentity(): Promise<{ readonly key: string; readonly recipient: string }> {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
  const key = await generateX25519Identity()
  return { key, recipient: await identityToRecipient(key) }
}

/** Returns the recipients (public keys) of identities. */
export async function recipientsOf({ keys }: Identities): Promise<string[]> {
  const { identityToRecipient } = await import('age-encryption')
  return Promise.all(keys.map((key) => identityToRecipient(key)))
}

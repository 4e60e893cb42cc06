/** Computes what PostgreSQL stores of a password, so that no password is sent to the server, and compares a password with it. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

const iterations = 4096
const scram = /^SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/
const md5 = /^md5[0-9a-f]{32}$/

/** Whether a text is what PostgreSQL stores of a password, rather than the password: PostgreSQL takes both. */
export function isVerifier(text: string): boolean {
  return scram.test(text) || md5.test(text)
}

/** Returns the text that PostgreSQL stores for a password, with a new salt. */
export function verifierOf(password: string): string {
  return isVerifier(password) ? password : scramVerifier(password, randomBytes(16), iterations)
}

/**
 * Whether a stored text belongs to a password. The former md5 counts too: its owner may need it for old clients.
 * @param role the name of the role, which md5 has as its salt
 */
export function belongsTo(stored: string, password: string, role: string): boolean {
  if (isVerifier(password)) return stored === password
  if (md5.test(stored)) return stored === `md5${createHash('md5').update(`${password}${role}`).digest('hex')}`
  const [, rounds = '', salt = ''] = scram.exec(stored) ?? []
  return rounds !== '' && stored === scramVerifier(password, Buffer.from(salt, 'base64'), Number(rounds))
}

/** RFC 5802, with the names of its values. */
function scramVerifier(password: string, salt: Buffer, rounds: number): string {
  const saltedPassword = pbkdf2Sync(password, salt, rounds, 32, 'sha256')
  const keyed = (text: string) => createHmac('sha256', saltedPassword).update(text).digest()
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${rounds}:${salt.toString('base64')}$${storedKey}:${keyed('Server Key').toString('base64')}`
}

const changedBySaslprep =
  /\p{Variation_Selector}|\u034f|[\u00a0\u00ad\u1680\u1806\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff]/u

/**
 * Whether SASLprep (RFC 4013) leaves a password as it is. Clients prepare passwords before they prove that they know them,
 * unless they contain characters that are unknown to the RFC: only such passwords mean the same to all of them.
 */
export function isSamePrepared(password: string): boolean {
  return password.normalize('NFKC') === password && !changedBySaslprep.test(password)
}

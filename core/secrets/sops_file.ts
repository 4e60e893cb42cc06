/**
 * Decrypts YAML, JSON and binary files of sops whose data key is encrypted for age recipients, and verifies their MAC.
 * Mirrors `sops decrypt` (github.com/getsops/sops, version 3).
 */
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'
import { ConvergeError } from '../model/errors.ts'
import { decryptAge } from './age_file.ts'
import type { Identities } from './age_identities.ts'
import { parseSecrets } from './secret_document.ts'
import { PlainScalar, type SecretMap, type SecretValue } from './secret_keys.ts'

/** sops puts the SHA-256 of "sops" before the values where the MAC covers the encrypted ones only. */
const encryptedOnlyPrefix = createHash('sha256').update('sops').digest()

const encryptedValue = /^ENC\[AES256_GCM,data:([^,]*),iv:([^,]*),tag:([^,]*),type:(\w+)\]$/

/** A comment in a list, which sops encrypts like a value. */
const comment = Symbol('comment')

/**
 * Decrypts a sops file.
 * @param text of the file
 * @param file name, for messages
 * @returns its content without the metadata
 * @throws ConvergeError NOT_SOPS, UNSUPPORTED_SOPS, DAMAGED_SECRET, WRONG_IDENTITY
 */
export async function decryptSops(text: string, file: string, identities: Identities): Promise<SecretMap> {
  if (/^(sops_version=|\[sops\]\s*$)/m.test(text))
    throw unsupportedFile(`${file} is a sops file in dotenv or INI format`, file)
  const document = await parseSecrets(text, file)
  const metadata = document.get('sops')
  if (!(metadata instanceof Map)) throw notSops(file)
  const key = await dataKey(metadata, file, identities)
  const covered = metadata.get('mac_only_encrypted')
  const onlyEncrypted = covered instanceof PlainScalar && covered.value === true
  const hash = createHash('sha512')
  if (onlyEncrypted) hash.update(encryptedOnlyPrefix)

  const decryptNode = (value: SecretValue, path: readonly string[]): SecretValue | typeof comment => {
    if (value instanceof Map) return decryptMap(value, path)
    if (Array.isArray(value)) {
      const items = (value as readonly SecretValue[]).map((item) => decryptNode(item, path))
      return items.filter((item): item is SecretValue => item !== comment)
    }
    if (value === null) return null
    const isEncrypted = typeof value === 'string' && value.startsWith('ENC[AES256_GCM,')
    const plain = isEncrypted
      ? decryptValue(value, key, path, file)
      : { value: value as string | PlainScalar, type: undefined }
    if (plain.type === 'comment') return comment
    // An empty text stays empty when it is encrypted.
    if (isEncrypted || !onlyEncrypted || value === '') hash.update(macBytes(plain.value))
    return plain.value
  }
  const decryptMap = (map: ReadonlyMap<string, SecretValue>, path: readonly string[]): SecretMap => {
    const entries = [...map].flatMap(([name, child]) => {
      if (path.length === 0 && name === 'sops') return []
      const plain = decryptNode(child, [...path, name])
      return plain === comment ? [] : [[name, plain] as const]
    })
    return new Map(entries)
  }
  const content = decryptMap(document, [])
  verifyMac(metadata, key, hash.digest('hex').toUpperCase(), file)
  return content
}

/** Decrypts the data key with the first entry for age that an identity matches. */
async function dataKey(metadata: SecretMap, file: string, identities: Identities): Promise<Uint8Array> {
  if (Array.isArray(metadata.get('key_groups')))
    throw unsupportedFile(`${file} splits its key among groups (Shamir)`, file)
  const entries = metadata.get('age')
  if (!Array.isArray(entries) || entries.length === 0)
    throw unsupportedFile(`${file} is not encrypted for an age recipient`, file)
  let failure: unknown
  for (const entry of entries as readonly SecretValue[]) {
    const armored = entry instanceof Map ? entry.get('enc') : undefined
    if (typeof armored !== 'string') throw damagedFile(file, 'sops.age contains no key')
    try {
      return await decryptAge(Buffer.from(armored), file, identities)
    } catch (error) {
      failure ??= error
      if (!(error instanceof ConvergeError) || error.code !== 'WRONG_IDENTITY') throw error
    }
  }
  throw failure
}

function decryptValue(text: string, key: Uint8Array, path: readonly string[], file: string) {
  const match = encryptedValue.exec(text)
  if (match === null) throw damagedFile(file, `the value of ${path.join('.')} is cut off`)
  const [, data = '', iv = '', tag = '', type = ''] = match
  const bytes = decipher({ data, iv, tag, key, authenticated: `${path.join(':')}:` })
  if (bytes === null) throw damagedFile(file, `the value of ${path.join('.')} was changed, or moved from another key`)
  return { value: typedValue(bytes.toString('utf8'), type, path, file), type }
}

interface Ciphertext {
  /** Base64. */
  readonly data: string
  readonly iv: string
  readonly tag: string
  readonly key: Uint8Array
  /** Additional authenticated data. */
  readonly authenticated: string
}

/** Null: the text, the key or the authenticated data differ from those of the encryption. */
function decipher({ data, iv, tag, key, authenticated }: Ciphertext): Buffer | null {
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), { authTagLength: 16 })
    cipher.setAAD(Buffer.from(authenticated))
    cipher.setAuthTag(Buffer.from(tag, 'base64'))
    return Buffer.concat([cipher.update(Buffer.from(data, 'base64')), cipher.final()])
  } catch {
    // Node reports a wrong tag, key or length by errors without a code of their own.
    return null
  }
}

function typedValue(text: string, type: string, path: readonly string[], file: string): string | PlainScalar {
  switch (type) {
    case 'str':
    case 'bytes':
    case 'time':
    case 'comment':
      return text
    case 'int':
      return new PlainScalar(text, BigInt(text))
    case 'float':
      return new PlainScalar(text, Number(text))
    case 'bool':
      return new PlainScalar(text.toLowerCase(), /^true$/i.test(text))
    default:
      throw unsupportedFile(`${file}: the value of ${path.join('.')} has the unknown type ${type}`, file)
  }
}

/** The spelling of a value in the MAC: that of Go. */
function macBytes(scalar: string | PlainScalar): string {
  if (typeof scalar === 'string') return scalar
  const { value } = scalar
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return typeof value === 'number' ? decimal(value) : String(value)
}

/** Writes a number without an exponent, with as many digits as needed: strconv.FormatFloat(f, 'f', -1, 64). */
function decimal(value: number): string {
  const [mantissa = '', exponent] = String(value).split('e')
  if (exponent === undefined) return mantissa
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(mantissa) ?? []
  const shift = Number(exponent)
  if (shift < 0) return `${sign}0.${'0'.repeat(-shift - 1)}${whole}${fraction}`
  return `${sign}${whole}${fraction}${'0'.repeat(shift - fraction.length)}`
}

function verifyMac(metadata: SecretMap, key: Uint8Array, computed: string, file: string): void {
  const [mac, modified] = [metadata.get('mac'), metadata.get('lastmodified')]
  if (typeof mac !== 'string' || typeof modified !== 'string') throw damagedFile(file, 'it has no MAC')
  const [, data = '', iv = '', tag = ''] = encryptedValue.exec(mac) ?? []
  const stored = decipher({ data, iv, tag, key, authenticated: modified })
  if (stored === null) throw damagedFile(file, 'its MAC was changed')
  const expected = Buffer.from(computed)
  if (stored.length !== expected.length || !timingSafeEqual(stored, expected))
    throw damagedFile(file, 'its MAC does not match: a value was removed, added, moved or changed')
}

function damagedFile(file: string, reason: string): ConvergeError {
  return new ConvergeError(`${file} is damaged: ${reason}`, {
    code: 'DAMAGED_SECRET',
    hint: `restore the file from version control; sops decrypt ${file} verifies it as well`,
    usage: true,
  })
}

function notSops(file: string): ConvergeError {
  return new ConvergeError(`${file} is not a sops file: it has no key "sops"`, {
    code: 'NOT_SOPS',
    hint: `encrypt it: sops encrypt --age RECIPIENT --in-place ${file}`,
    usage: true,
  })
}

function unsupportedFile(message: string, file: string): ConvergeError {
  return new ConvergeError(message, {
    code: 'UNSUPPORTED_SOPS',
    hint: `let sops decrypt it: {"$command": ["sops", "decrypt", "--extract", "[\\"KEY\\"]", "${file}"]}`,
    usage: true,
  })
}

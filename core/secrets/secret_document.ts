/** Parses the YAML or JSON text of secrets files, with keys in their order and scalars by the rules of YAML 1.2. */
import type { Node } from 'yaml'
import { ConvergeError } from '../model/errors.ts'
import { PlainScalar, type SecretMap, type SecretValue } from './secret_keys.ts'

/**
 * Parses the text of a YAML or JSON document.
 * @param file name, for messages, which never contain a part of the text
 * @throws ConvergeError INVALID_SECRETS
 */
export async function parseSecrets(text: string, file: string): Promise<SecretMap> {
  const { parseAllDocuments, isMap } = await import('yaml')
  const documents = parseAllDocuments(text, { logLevel: 'silent', prettyErrors: true, intAsBigInt: true })
  const [document, second] = 'empty' in documents ? [] : documents
  const [error] = document?.errors ?? []
  if (error !== undefined) throw invalidSecrets(`${file}:${error.linePos?.[0].line ?? 1}: invalid YAML (${error.code})`)
  if (second !== undefined) throw invalidSecrets(`${file} contains several YAML documents`)
  const root = document?.contents ?? null
  if (root === null) return new Map()
  if (!isMap(root)) throw invalidSecrets(`${file} contains no keys at the top`)
  return (await secretValue(root, file)) as SecretMap
}

async function secretValue(root: Node, file: string): Promise<SecretValue> {
  const { isMap, isScalar, isSeq } = await import('yaml')
  const convert = (node: unknown): SecretValue => {
    if (isMap(node)) {
      const entries = node.items.map(({ key, value }) => {
        if (!isScalar(key)) throw invalidSecrets(`${file} contains a key that is not a text`)
        return [key.source ?? String(key.value), convert(value)] as const
      })
      return new Map(entries)
    }
    if (isSeq(node)) return node.items.map(convert)
    if (!isScalar(node)) {
      if (node === null || node === undefined) return null
      throw invalidSecrets(`${file} contains an anchor or alias`)
    }
    const { value, source = '' } = node
    if (typeof value === 'string' || value === null) return value
    if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean')
      return new PlainScalar(source, value)
    return source
  }
  return convert(root)
}

export function invalidSecrets(message: string): ConvergeError {
  return new ConvergeError(message, {
    code: 'INVALID_SECRETS',
    hint: 'write the file as one YAML or JSON object, such as database: { password: … }',
    usage: true,
  })
}

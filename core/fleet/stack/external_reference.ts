/** Reads the text that a reference in a stack file stands for: from a file, a variable, a command, or a file of age or sops. */
import { readInputFile } from '../../host/input_file.ts'
import { ConvergeError, failureReason } from '../../model/errors.ts'
import { utf8Text } from '../../model/utf8.ts'
import { decryptAge } from '../../secrets/age_file.ts'
import { type Environment, readIdentities } from '../../secrets/age_identities.ts'
import { secretOfCommand } from '../../secrets/secret_command.ts'
import { parseSecrets } from '../../secrets/secret_document.ts'
import { type SecretKey, type SecretMap, secretAt } from '../../secrets/secret_keys.ts'
import { decryptSops } from '../../secrets/sops_file.ts'
import { absolutePath } from './input_paths.ts'

/** The text of a file, relative to the file with the reference; a single line loses its line end. */
export interface FromFile {
  readonly $file: string
}

/** The text of an environment variable of the operator. */
export interface FromEnvironment {
  readonly $env: string
}

/** The text of a file encrypted with age, or one value of the YAML or JSON in it. */
export interface FromAge {
  readonly $age: string
  /** `database.password`, or a list where a key contains a dot; default: the whole text. */
  readonly key?: SecretKey
}

/** One value of a YAML or JSON file that sops encrypted for age recipients. */
export interface FromSops {
  readonly $sops: string
  /** `database.password`, or a list where a key contains a dot; default: the text of a file in binary format. */
  readonly key?: SecretKey
}

/** The standard output of a command, such as that of a password manager. It runs without a shell, at most 60 s. */
export interface FromCommand {
  /** The program and its arguments. */
  readonly $command: readonly string[]
}

export type ExternalValue = FromFile | FromEnvironment | FromAge | FromSops | FromCommand

/** Errors about values that another computer or account may have. */
export const absentCodes: ReadonlySet<string> = new Set([
  'FILE_UNREADABLE',
  'VARIABLE_MISSING',
  'NO_IDENTITY',
  'WRONG_IDENTITY',
  'COMMAND_FAILED',
  'COMMAND_TIMEOUT',
])

/** The context in which references are read. */
export interface ReferenceContext {
  /** Directory that files are relative to, and that commands run in. */
  readonly directory: string
  readonly environment: Environment
  /** Called before each command: throws an error if the stack file may not run programs. */
  readonly allowCommands: () => Promise<void>
  /** Results by kind and source, so that each file is decrypted once and each command runs once. */
  readonly results: Map<string, Promise<unknown>>
}

type ReferenceValue = Readonly<Record<string, unknown>>
type ReadReference = (value: ReferenceValue, context: ReferenceContext) => Promise<string>

const kinds: Readonly<Record<string, ReadReference>> = {
  $file: async ({ $file }, { directory }) => fileSecret(textIn('$file', $file), directory),
  $env: async ({ $env }, { environment }) => variable(textIn('$env', $env), environment),
  $age: async ({ $age, key }, context) => ageSecret(textIn('$age', $age), keyIn(key), context),
  $sops: async ({ $sops, key }, context) => sopsSecret(textIn('$sops', $sops), keyIn(key), context),
  $command: async ({ $command }, context) => commandSecret(argvIn($command), context),
}

const kindsWithKey: readonly string[] = ['$age', '$sops']

export function isReference(value: ReferenceValue): boolean {
  return Object.keys(kinds).some((kind) => Object.hasOwn(value, kind))
}

/**
 * Returns the text that a reference stands for.
 * @throws ConvergeError; its code is in `absentCodes` where another computer may have the value
 */
export async function readReference(value: ReferenceValue, context: ReferenceContext): Promise<string> {
  const names = Object.keys(value)
  const kind = names.find((name) => Object.hasOwn(kinds, name)) ?? ''
  const read = kinds[kind]
  if (read === undefined) throw invalidReference(`it has none of ${Object.keys(kinds).join(', ')}`)
  const unknown = names.find((name) => name !== kind && (name !== 'key' || !kindsWithKey.includes(kind)))
  if (unknown !== undefined) throw invalidReference(`${kind} cannot have ${JSON.stringify(unknown)} beside it`)
  return read(value, context)
}

function invalidReference(reason: string): ConvergeError {
  return new ConvergeError(`invalid reference to a value outside the stack file: ${reason}`, {
    code: 'INVALID_REFERENCE',
    hint: 'write one of {"$file": "PATH"}, {"$env": "NAME"}, {"$age": "FILE", "key": "NAME"}, {"$sops": "FILE", "key": "NAME"}, {"$command": ["PROGRAM", "ARGUMENT"]}',
    usage: true,
  })
}

function textIn(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalidReference(`${name} must be a text that is not empty`)
  if (value.includes('\0')) throw invalidReference(`${name} contains a zero byte`)
  return value
}

function keyIn(value: unknown): SecretKey | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.length > 0) return value.map((part) => textIn('each part of key', part))
  return textIn('key', value)
}

function argvIn(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.some((word) => typeof word !== 'string'))
    throw invalidReference('$command must be a list of texts: the program and its arguments')
  if (value.some((word) => word.includes('\0'))) throw invalidReference('$command contains a zero byte')
  textIn('the program of $command', value[0])
  return value
}

/**
 * Returns the text of a file; a single line loses its line end.
 * @throws ConvergeError FILE_UNREADABLE, NOT_TEXT
 */
export function fileSecret(file: string, directory: string): string {
  const content = fileContent(file, directory)
  const text = decodedText(content)
  if (text === null)
    throw new ConvergeError(`${file} is not text`, {
      code: 'NOT_TEXT',
      hint: 'convert a key or certificate in binary form (DER) to PEM: openssl x509, openssl pkey',
      usage: true,
    })
  return withoutLineEnd(text)
}

/** Removes the line end of a text of one line. */
function withoutLineEnd(text: string): string {
  const line = text.replace(/\r?\n$/, '')
  return line.includes('\n') ? text : line
}

function fileContent(file: string, directory: string): Buffer {
  try {
    return readInputFile(absolutePath(file, directory))
  } catch (error) {
    throw unreadableFile(file, directory, error)
  }
}

/** Builds the error for a file that a reference or a key of the stack file names. */
export function unreadableFile(file: string, directory: string, error: unknown): ConvergeError {
  const path = absolutePath(file, directory)
  const reason = failureReason(error, path)
  const isMissing = error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))
  return new ConvergeError(`${file} cannot be read: ${reason}`, {
    code: 'FILE_UNREADABLE',
    hint: isMissing
      ? `check that this path exists: ${path}`
      : `check that this path is a regular file that this account may read: ${path}`,
    usage: true,
  })
}

/** Returns null if the content is not UTF-8. */
function decodedText(content: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

function variable(name: string, environment: Environment): string {
  const text = environment[name]
  if (text !== undefined && text !== '') return text
  throw new ConvergeError(`the environment variable ${name} is ${text === '' ? 'empty' : 'not set'}`, {
    code: 'VARIABLE_MISSING',
    hint: `export ${name}=..., or take the value from a file: {"$file": "PATH"}`,
    usage: true,
  })
}

async function ageSecret(file: string, key: SecretKey | undefined, context: ReferenceContext): Promise<string> {
  const text = await readOnce(context, `$age ${file}`, async () => {
    const content = fileContent(file, context.directory)
    return utf8Text(Buffer.from(await decryptAge(content, file, readIdentities(context.environment))), file)
  })
  if (key === undefined) return withoutLineEnd(text)
  return secretAt(await readOnce(context, `$age values ${file}`, () => parseSecrets(text, file)), key, file)
}

async function sopsSecret(file: string, key: SecretKey | undefined, context: ReferenceContext): Promise<string> {
  const content = await readOnce(context, `$sops ${file}`, async () => {
    const text = utf8Text(fileContent(file, context.directory), file)
    return decryptSops(text, file, readIdentities(context.environment))
  })
  if (key !== undefined) return secretAt(content, key, file)
  if (!isBinaryFormat(content))
    throw new ConvergeError(`{"$sops": "${file}"} requires the key of a value`, {
      code: 'INVALID_REFERENCE',
      hint: `add "key": one of ${[...content.keys()].slice(0, 10).join(', ')}`,
      usage: true,
    })
  return withoutLineEnd(secretAt(content, 'data', file))
}

/** Whether sops encrypted a file that is neither YAML nor JSON: it stores the text below `data`. */
function isBinaryFormat(content: SecretMap): boolean {
  return content.size === 1 && typeof content.get('data') === 'string'
}

async function commandSecret(argv: readonly string[], context: ReferenceContext): Promise<string> {
  const { directory, environment, allowCommands } = context
  await allowCommands()
  return readOnce(context, `$command ${JSON.stringify(argv)}`, () => secretOfCommand(argv, directory, environment))
}

function readOnce<T>({ directory, results }: ReferenceContext, name: string, read: () => Promise<T>): Promise<T> {
  const key = `${directory}\0${name}`
  const earlier = results.get(key) as Promise<T> | undefined
  if (earlier !== undefined) return earlier
  const result = read()
  results.set(key, result)
  return result
}

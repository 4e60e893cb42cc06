/** Reads the text that a reference of a stack file stands for: a file, a variable, a command, a file of age or sops. */
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
  /** Called before the first command: throws an error if the stack file may not run programs. */
  readonly allowCommands: () => Promise<void>
  /** Results by kind and source, so that each file is decrypted once and each command runs once. */
  readonly results: Map<string, Promise<unknown>>
}

type ReferenceValue = Readonly<Record<string, unknown>>
type ReadReference = (value: ReferenceValue, context: ReferenceContext) => Promise<string>

const kinds: Readonly<Record<string, ReadReference>> = {
  $file: async ({ $file }, { directory }) => fileSecret(textIn($file), directory),
  $env: async ({ $env }, { environment }) => variable(textIn($env), environment),
  $age: ({ $age, key }, context) => ageSecret(textIn($age), keyIn(key), context),
  $sops: ({ $sops, key }, context) => sopsSecret(textIn($sops), keyIn(key), context),
  $command: ({ $command }, context) => commandSecret(argvIn($command), context),
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
  const unknown = names.filter((name) => name !== kind && (name !== 'key' || !kindsWithKey.includes(kind)))
  if (read === undefined || unknown.length > 0) throw invalidReference()
  return read(value, context)
}

function invalidReference(): ConvergeError {
  return new ConvergeError('invalid reference to a value outside the stack file', {
    code: 'INVALID_REFERENCE',
    hint: 'write one of {"$file": "PATH"}, {"$env": "NAME"}, {"$age": "FILE", "key": "NAME"}, {"$sops": "FILE", "key": "NAME"}, {"$command": ["PROGRAM", "ARGUMENT"]}',
    usage: true,
  })
}

function textIn(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalidReference()
  return value
}

function keyIn(value: unknown): SecretKey | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.length > 0) return value.map(textIn)
  return textIn(value)
}

function argvIn(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.some((word) => typeof word !== 'string' || word.includes('\0')))
    throw invalidReference()
  textIn(value[0])
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

/** A text of one line loses its line end. */
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

export function unreadableFile(file: string, directory: string, error: unknown): ConvergeError {
  const whole = absolutePath(file, directory)
  const reason = failureReason(error, whole)
  return new ConvergeError(`${file} cannot be read: ${reason}`, {
    code: 'FILE_UNREADABLE',
    hint:
      whole === file ? 'check the path, and whether this account may read it' : `check that this path exists: ${whole}`,
    usage: true,
  })
}

/** Null: the content is not UTF-8. */
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
    throw new ConvergeError(`{"$sops": "${file}"} needs the key of a value`, {
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
  const { directory, environment } = context
  await readOnce(context, 'commands are allowed', context.allowCommands)
  return readOnce(context, `$command ${JSON.stringify(argv)}`, () => secretOfCommand(argv, directory, environment))
}

function readOnce<T>({ directory, results }: ReferenceContext, name: string, read: () => Promise<T>): Promise<T> {
  const key = `${directory}\0${name}`
  const known = results.get(key) as Promise<T> | undefined
  if (known !== undefined) return known
  const result = read()
  results.set(key, result)
  return result
}

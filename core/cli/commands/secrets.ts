/** Runs `converge secrets …`: creates, changes, displays and encrypts again a secrets file of age. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { replaceFile } from '../../host/replace_file.ts'
import { makePrivateDirectories } from '../../host/state_directory.ts'
import { ConvergeError } from '../../model/errors.ts'
import { utf8Text } from '../../model/utf8.ts'
import { newIdentity, recipientsOf } from '../../secrets/age_file.ts'
import { identityFile, readIdentities } from '../../secrets/age_identities.ts'
import { parseSecrets } from '../../secrets/secret_document.ts'
import { keyParts, type SecretValue, secretAt } from '../../secrets/secret_keys.ts'
import {
  openSecretsFile,
  readRecipients,
  recipientsFile,
  type SecretsFile,
  writeSecretsFile,
} from '../../secrets/secrets_file.ts'
import { shellWord } from '../../text/shell.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { standardInput } from '../inputs/standard_input.ts'
import { print, printContent, printError } from '../print.ts'
import { usage } from '../usage.ts'

const defaultFile = 'secrets.age'

/** @param action the second word of the command */
export async function secretsCommand(action: string, args: Arguments): Promise<ExitStatus> {
  const path = args.file ?? defaultFile
  switch (action) {
    case 'init':
      return initialize(path, args.recipient ?? [])
    case 'set':
      return setSecret(path, args.argument ?? '')
    case 'show':
      return showSecret(path, args.argument)
    case 'edit':
      return editSecrets(path)
    default:
      return encryptAgain(path)
  }
}

async function initialize(path: string, recipients: readonly string[]): Promise<ExitStatus> {
  const { keys, created } = await ownRecipients()
  if (fs.existsSync(path))
    throw new ConvergeError(`${path} exists already`, {
      code: 'SECRETS_FILE_EXISTS',
      hint: `change it with converge secrets set or edit, or name another one with --file`,
      usage: true,
    })
  const all = [...new Set([...keys, ...recipients])]
  const list = recipientsFile(path)
  const header = `# Public keys of all who can read ${path}. After a change: converge secrets rekey\n`
  if (!fs.existsSync(list)) replaceFile(list, `${header}${all.map((key) => `${key}\n`).join('')}`, { mode: 0o644 })
  await writeSecretsFile(path, '# Keys and values, in YAML.\n', null)
  if (created !== null) print(`created your identity: ${created} (keep it secret, and keep a copy)\n`)
  print(`created ${path} for ${recipientCount(path)}, listed in ${list}\n`)
  print(`your public key: ${keys.join(', ')}\n`)
  return 0
}

/** Returns the public keys of the operator, and the path of the identity file if it did not exist. */
async function ownRecipients(): Promise<{ readonly keys: readonly string[]; readonly created: string | null }> {
  const file = identityFile(process.env)
  if (process.env.SOPS_AGE_KEY || fs.existsSync(file))
    return { keys: await recipientsOf(readIdentities(process.env)), created: null }
  const { key, recipient } = await newIdentity()
  makePrivateDirectories(dirname(file))
  replaceFile(file, `# created: ${new Date().toISOString()}\n# public key: ${recipient}\n${key}\n`)
  return { keys: [recipient], created: file }
}

async function setSecret(path: string, key: string): Promise<ExitStatus> {
  const file = await openSecretsFile(path, process.env)
  const parts = keyParts(key)
  if (parts.includes(''))
    throw usage(`invalid key "${key}": a part of it is empty`, 'name it such as database.password')
  checkParents(await parseSecrets(file.text, path), parts, path)
  const { parseDocument } = await import('yaml')
  const document = parseDocument(file.text)
  document.setIn(parts, await newValue(key))
  await writeSecretsFile(path, document.toString(), file.content)
  print(`set ${key} in ${path}\n`)
  return 0
}

/** Refuses a key below a text, which setting it would remove. */
function checkParents(content: SecretValue | undefined, parts: readonly string[], path: string): void {
  let value = content
  for (const [index, part] of parts.slice(0, -1).entries()) {
    value = value instanceof Map ? value.get(part) : undefined
    if (value === undefined || value instanceof Map) continue
    throw new ConvergeError(`${path}: ${parts.slice(0, index + 1).join('.')} is a value, not an object`, {
      code: 'NOT_AN_OBJECT',
      hint: 'choose another key, or change the file with converge secrets edit',
      usage: true,
    })
  }
}

/** Asks on the terminal without echo, or reads standard input; a single line loses its line end. */
async function newValue(key: string): Promise<string> {
  if (process.stdin.isTTY) {
    const { Prompter } = await import('../stack/prompt.ts')
    const silent = { pause: () => undefined, resume: () => undefined }
    return new Prompter(silent).ask(`Value of ${key}: `)
  }
  const text = await standardInput()
  const line = text.replace(/\r?\n$/, '')
  if (line !== '') return line.includes('\n') ? text : line
  throw new ConvergeError(`no value for ${key}: standard input is empty`, {
    code: 'EMPTY_SECRET',
    hint: `write it to standard input: printf %s VALUE | converge secrets set ${shellWord(key)}`,
    usage: true,
  })
}

async function showSecret(path: string, key: string | undefined): Promise<ExitStatus> {
  const { text } = await openSecretsFile(path, process.env)
  if (key === undefined) printContent(text)
  else printContent(`${secretAt(await parseSecrets(text, path), key, path)}\n`)
  return 0
}

async function editSecrets(path: string): Promise<ExitStatus> {
  const file = await openSecretsFile(path, process.env)
  readRecipients(path)
  const text = await editedText(file)
  if (text === file.text) {
    print(`${path} is unchanged\n`)
    return 0
  }
  await writeSecretsFile(path, text, file.content)
  print(`changed ${path}\n`)
  return 0
}

/** Opens the editor until the text is valid, or is closed without a further change. */
async function editedText({ path, text }: SecretsFile): Promise<string> {
  const directory = fs.mkdtempSync(join(privateDirectory(), 'converge-secrets-'))
  const draft = join(directory, 'secrets.yaml')
  // With handlers, a signal waits until the editor has ended and the draft is removed.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const wait = () => undefined
  for (const signal of signals) process.on(signal, wait)
  try {
    fs.writeFileSync(draft, text, { mode: 0o600 })
    for (let [attempt, before] = [1, text]; ; attempt++) {
      runEditor(draft)
      const after = utf8Text(fs.readFileSync(draft), path)
      try {
        if (after !== text) await parseSecrets(after, path)
        return after
      } catch (error) {
        if (after === before || attempt === maxAttempts || !(error instanceof ConvergeError)) throw error
        printError(`${error.message}: edit it again, or close the editor without a change to give up\n`)
        before = after
      }
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
    for (const signal of signals) process.off(signal, wait)
  }
}

/** Calls of the editor with a refused text: an editor without a terminal could change it each time, without end. */
const maxAttempts = 10

/** Finds a directory for the draft, which is not encrypted: one in memory if the system has one. */
function privateDirectory(): string {
  const candidates = [process.env.XDG_RUNTIME_DIR, '/dev/shm'].filter((one) => one !== undefined && one !== '')
  return candidates.find((one) => fs.statSync(one as string, { throwIfNoEntry: false })?.isDirectory()) ?? tmpdir()
}

function runEditor(path: string): void {
  const editor = process.env.VISUAL || process.env.EDITOR || 'vi'
  // The variable may contain arguments, such as `code --wait`.
  const { status, error } = spawnSync('sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' })
  if (status === 0) return
  throw new ConvergeError(`the editor "${editor}" ended with ${error?.message ?? `status ${status}`}`, {
    code: 'EDITOR_FAILED',
    hint: 'set EDITOR to the command of an editor that is installed; nothing was changed',
    usage: true,
  })
}

async function encryptAgain(path: string): Promise<ExitStatus> {
  const file = await openSecretsFile(path, process.env)
  await writeSecretsFile(path, file.text, file.content)
  print(`encrypted ${path} for ${recipientCount(path)}\n`)
  return 0
}

function recipientCount(path: string): string {
  const { length } = readRecipients(path)
  return `${length} recipient${length === 1 ? '' : 's'}`
}

/** Proves the hints about secrets in files of age and sops, and from commands. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadStack } from '../../core/fleet/stack/load.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { encryptAge } from '../../core/secrets/age_file.ts'
import { openSecretsFile, writeSecretsFile } from '../../core/secrets/secrets_file.ts'
import { scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/secrets/${name}`, import.meta.url))
const key = readFileSync(fixture('identity.txt'), 'utf8')
const otherKey = readFileSync(fixture('other_identity.txt'), 'utf8')

interface SecretProof {
  readonly source: string
  readonly hint: string
  /** The reference to the secret. */
  readonly broken: object
  readonly repaired?: object
  /** SOPS_AGE_KEY; null: none, and no file with one. */
  readonly keys?: readonly [broken: string | null, repaired: string | null]
  /** Files, by the name of the fixture that each is a copy of. */
  readonly copies?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly changed?: (directory: string) => void
}

function proof({ source, hint, broken, repaired = broken, changed, ...more }: SecretProof) {
  const directory = scratch(t)
  for (const [name, original] of Object.entries(more.copies ?? {}))
    copyFileSync(fixture(original), join(directory, name))
  for (const [name, text] of Object.entries(more.files ?? {})) writeFileSync(join(directory, name), text)
  const [before, after] = more.keys ?? [key, key]
  const load = (secret: object, identity: string | null) => {
    const stack = join(directory, 'stack.json')
    const content = {
      name: 'shop',
      layers: { app: { roles: ['base'] } },
      hosts: { web1: { address: '10.0.0.1', layers: ['app'] } },
      custom_json: { site: { password: secret } },
    }
    writeFileSync(stack, JSON.stringify(content))
    const PATH = process.env.PATH
    const variables = { PATH, HOME: directory, ...(identity === null ? {} : { SOPS_AGE_KEY: identity }) }
    return loadStack(stack, { roles: async () => ['base'], variables })
  }
  return {
    source,
    hint,
    broken: () => load(broken, before),
    repaired: () => {
      changed?.(directory)
      return load(repaired, after)
    },
  }
}

t.test('the hints about files of age work', async (t) => {
  const $age = { $age: 'site.age', key: 'database.password' }
  const identity = 'core/secrets/age_identities.ts'
  proveCalls(t, [
    proof({
      source: identity,
      hint: 'create one: converge secrets init; or set SOPS_AGE_KEY_FILE to the file with yours',
      broken: $age,
      keys: [null, key],
      copies: { 'site.age': 'site.age' },
    }),
    proof({
      source: identity,
      hint: 'create one: converge secrets init',
      broken: $age,
      keys: ['# nothing', key],
      copies: { 'site.age': 'site.age' },
    }),
    proof({
      source: identity,
      hint: 'each line must be a key that begins with AGE-SECRET-KEY-1; for keys of SSH, plugins or with a passphrase, decrypt with {"$command": ["age", "-d", "-i", "KEY", "FILE"]}',
      broken: $age,
      keys: ['age1something', key],
      copies: { 'site.age': 'site.age' },
    }),
    proof({
      source: 'core/secrets/age_file.ts',
      hint: 'copy the key again, or restore the file from a backup',
      broken: $age,
      keys: [key.replace(/(AGE-SECRET-KEY-1.{5})./, '$1'), key],
      copies: { 'site.age': 'site.age' },
    }),
    proof({
      source: 'core/secrets/age_file.ts',
      hint: 'encrypt it: converge secrets init, or age -e -r RECIPIENT',
      broken: { $age: 'site.age' },
      files: { 'site.age': 'plain text' },
      changed: (directory) => copyFileSync(fixture('site.age'), join(directory, 'site.age')),
    }),
    proof({
      source: 'core/secrets/age_file.ts',
      hint: 'ask somebody who can read it to add your public key and run: converge secrets rekey',
      broken: $age,
      keys: [otherKey, otherKey],
      copies: { 'site.age': 'site.age' },
      changed: (directory) => copyFileSync(fixture('binary.age'), join(directory, 'site.age')),
    }),
    proof({
      source: 'core/secrets/age_file.ts',
      hint: 'restore the file from version control or a backup',
      broken: $age,
      files: { 'site.age': readFileSync(fixture('site.age'), 'utf8').replace(/\n.{20}/, '\nAAAA') },
      changed: (directory) => copyFileSync(fixture('site.age'), join(directory, 'site.age')),
    }),
    proof({
      source: 'core/secrets/secret_keys.ts',
      hint: 'its keys are: password',
      broken: { $age: 'site.age', key: 'database' },
      repaired: $age,
      copies: { 'site.age': 'site.age' },
    }),
    proof({
      source: 'core/secrets/secret_keys.ts',
      hint: 'check the key, or add it to the file',
      broken: { $age: 'site.age', key: 'database.password.x' },
      repaired: $age,
      copies: { 'site.age': 'site.age' },
    }),
  ])
})

t.test('the hints about files of sops work', async (t) => {
  const password = { $sops: 'site.yaml', key: 'database.password' }
  const source = 'core/secrets/sops_file.ts'
  proveCalls(t, [
    proof({
      source: 'core/fleet/stack/external_reference.ts',
      hint: 'add "key": one of database, list, 10, 2, host_unencrypted, dotted.key, multi',
      broken: { $sops: 'site.yaml' },
      repaired: password,
      copies: { 'site.yaml': 'all.yaml' },
    }),
    proof({
      source: 'core/secrets/secret_keys.ts',
      hint: 'name the key of a text',
      broken: { $sops: 'site.yaml', key: 'database.none' },
      repaired: password,
      copies: { 'site.yaml': 'all.yaml' },
    }),
    proof({
      source,
      hint: 'restore the file from version control; sops decrypt site.yaml verifies it as well',
      broken: password,
      files: { 'site.yaml': readFileSync(fixture('all.yaml'), 'utf8').replace(/^ {4}port: .*\n/m, '') },
      changed: (directory) => copyFileSync(fixture('all.yaml'), join(directory, 'site.yaml')),
    }),
    proof({
      source,
      hint: 'encrypt it: sops encrypt --age RECIPIENT --in-place site.yaml',
      broken: password,
      files: { 'site.yaml': 'database: { password: plain }\n' },
      changed: (directory) => copyFileSync(fixture('all.yaml'), join(directory, 'site.yaml')),
    }),
    proof({
      source,
      hint: 'let sops decrypt it: {"$command": ["sops", "decrypt", "--extract", "[\\"KEY\\"]", "site.env"]}',
      broken: { $sops: 'site.env', key: 'TOKEN' },
      repaired: { $command: ['sh', '-c', 'echo abc'] },
      copies: { 'site.env': 'site.env' },
    }),
    proof({
      source: 'core/secrets/secret_document.ts',
      hint: 'write the file as one YAML or JSON object, such as database: { password: … }',
      broken: { $sops: 'site.yaml', key: 'database.password' },
      files: { 'site.yaml': '- a list\n' },
      changed: (directory) => copyFileSync(fixture('all.yaml'), join(directory, 'site.yaml')),
    }),
  ])
})

t.test('the hints about commands that print a secret work', async (t) => {
  const source = 'core/secrets/secret_command.ts'
  const works = { $command: ['printf', 'secret'] }
  proveCalls(t, [
    proof({ source, hint: 'run the command by hand', broken: { $command: ['true'] }, repaired: works }),
    proof({
      source,
      hint: 'run the command by hand; log in to the password manager first, since the command cannot ask',
      broken: { $command: ['sh', '-c', 'echo "not logged in" >&2; exit 3'] },
      repaired: works,
    }),
    proof({
      source,
      hint: 'install it, or name it by its path',
      broken: { $command: ['no-such-password-manager'] },
      repaired: works,
    }),
  ])
})

const recipient = 'age1q3alhepq773qmzsrg7486jngmp2sy3mtwuvct690r3082w3n7pxq2clul8'
const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

t.test('the hints of converge secrets work', async (t) => {
  const source = 'core/cli/commands/secrets.ts'
  const directory = scratch(t)
  const secrets = (words: string, input: string, env: Readonly<Record<string, string>> = {}) => {
    const { status, stderr } = spawnSync(process.execPath, [program, 'secrets', ...words.split(' ')], {
      cwd: directory,
      encoding: 'utf8',
      input,
      env: { PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: directory, ...env },
    })
    if (status === 0) return
    throw new ConvergeError(stderr, { code: 'FAILED', hint: /hint: (.*)/.exec(stderr)?.[1], usage: true })
  }
  secrets('init', '')
  secrets('set text', 'a text')
  proveCalls(t, [
    {
      source,
      hint: 'change it with converge secrets set or edit, or name another one with --file',
      broken: () => secrets('init', ''),
      repaired: () => secrets('init --file other.age', ''),
    },
    {
      source,
      hint: 'name it such as database.password',
      broken: () => secrets('set database..password', 'x'),
      repaired: () => secrets('set database.password', 'x'),
    },
    {
      source,
      hint: 'choose another key, or change the file with converge secrets edit',
      broken: () => secrets('set text.below', 'x'),
      repaired: () => secrets('set other.below', 'x'),
    },
    {
      source,
      hint: 'write it to standard input: printf %s VALUE | converge secrets set text',
      broken: () => secrets('set text', ''),
      repaired: () => secrets('set text', 'VALUE'),
    },
    {
      source,
      hint: 'set EDITOR to the command of an editor that is installed; nothing was changed',
      broken: () => secrets('edit', '', { EDITOR: 'no-such-editor' }),
      repaired: () => secrets('edit', '', { EDITOR: 'true' }),
    },
  ])
})

t.test('the hints about writing a secrets file work', async (t) => {
  const source = 'core/secrets/secrets_file.ts'
  const path = join(scratch(t), 'secrets.age')
  const recipients = `${path}.recipients`
  const open = () => openSecretsFile(path, { SOPS_AGE_KEY: key })
  const write = (before: Buffer | null) => writeSecretsFile(path, 'a: 1\n', before)
  proveCalls(t, [
    {
      source,
      hint: 'write the public keys (age1…) of all who may read … into …, one per line',
      broken: () => write(null),
      repaired: () => {
        writeFileSync(recipients, `${recipient}\n`)
        return write(null)
      },
    },
    {
      source,
      hint: 'run the command again',
      broken: () => write(Buffer.from('what it was before')),
      repaired: async () => write((await open()).content),
    },
    {
      source,
      hint: 'create it: converge secrets init --file …; or name another one with --file',
      broken: () => openSecretsFile(`${path}2`, { SOPS_AGE_KEY: key }),
      repaired: open,
    },
    {
      source: 'core/secrets/age_file.ts',
      hint: 'pass a public key that begins with age1, as age-keygen -y or converge secrets init prints it',
      broken: () => encryptAge('text', ['age1nonsense']),
      repaired: () => encryptAge('text', [recipient]),
    },
  ])
})

/** Defines the commands for a file of secrets that is encrypted with age. */
import { inputGroup } from './shared_options.ts'
import type { CommandFamily, CommandSpec, Options } from './types.ts'

export const secretsFamily: CommandFamily = {
  name: 'secrets',
  group: 'Many hosts over SSH',
  description: 'Keep secrets of a stack in a file that age encrypts',
  details:
    'The file contains YAML, encrypted for the public keys in FILE.recipients. A stack file refers to a value by {$age: secrets.age, key: database.password}. Your identity is in SOPS_AGE_KEY, in the file that SOPS_AGE_KEY_FILE names, or in ~/.config/sops/age/keys.txt.',
  examples: [
    ['converge secrets init', 'creates secrets.age, and your identity if you have none'],
    ['converge secrets set database.password', 'asks for the value'],
  ],
}

const { group } = secretsFamily

const fileOption = {
  file: {
    group: inputGroup,
    type: 'string',
    placeholder: 'FILE',
    default: 'secrets.age',
    description: 'The encrypted file',
  },
} as const satisfies Options

const key = 'Key path of the value, such as database.password'

export const secretsCommands: readonly CommandSpec[] = [
  {
    name: 'secrets init',
    group,
    description: 'Create an encrypted file, and your identity if you have none',
    options: {
      ...fileOption,
      recipient: {
        group: inputGroup,
        type: 'string',
        repeatable: true,
        placeholder: 'KEY',
        description: 'Public key (age1…) of somebody else who may read the file',
      },
    },
    examples: [['converge secrets init --recipient age1…', 'for you and one colleague']],
    kind: 'secrets',
  },
  {
    name: 'secrets set',
    group,
    description: 'Set one value, read from the terminal or from standard input',
    details: 'The value is no argument, because other accounts can read the arguments of a process.',
    options: fileOption,
    argument: { placeholder: 'KEY', description: key, required: true },
    examples: [['converge secrets set database.password < password.txt', 'from a file']],
    kind: 'secrets',
  },
  {
    name: 'secrets show',
    group,
    description: 'Print the decrypted file, or one value',
    options: fileOption,
    argument: { placeholder: 'KEY', description: key },
    examples: [['converge secrets show database.password', 'one value']],
    kind: 'secrets',
  },
  {
    name: 'secrets edit',
    group,
    description: 'Open the decrypted file in an editor, and encrypt it again',
    details:
      'Runs the command in VISUAL or EDITOR, or else vi. The decrypted draft is in a directory for your account alone, in memory where the system allows it, and is removed when the editor ends.',
    options: fileOption,
    examples: [['converge secrets edit --file staging.age', 'another file']],
    kind: 'secrets',
  },
  {
    name: 'secrets rekey',
    group,
    description: 'Encrypt the file again for the public keys in FILE.recipients',
    details:
      'Run it after you have added or removed a public key. Somebody who could read the file keeps what they have read: change those values too.',
    options: fileOption,
    examples: [['converge secrets rekey', 'after a change of secrets.age.recipients']],
    kind: 'secrets',
  },
]

/** Defines the commands that print help and reference information. */
import { lookOutput } from './shared.ts'
import type { CommandSpec } from './types.ts'

export const helpCommands: readonly CommandSpec[] = [
  {
    name: 'resources',
    group: 'Help',
    describe: 'The resource types, or one of them with its properties and examples',
    argument: { value: 'NAME', describe: 'Resource type' },
    options: lookOutput,
    examples: [
      ['converge resources', 'all types'],
      ['converge resources git_release', 'its properties'],
    ],
    kind: 'resources',
  },
  {
    name: 'completion',
    group: 'Help',
    describe: 'Print the completion script for bash or zsh',
    details:
      'It completes commands, options, roles, events, resource types and files; hosts, layers, apps and environments of the stack file in the working directory, or of --stack.',
    argument: { value: 'SHELL', describe: 'bash or zsh; default: that of $SHELL' },
    options: {},
    examples: [
      ['source <(converge completion bash)', 'in ~/.bashrc'],
      ['source <(converge completion zsh)', 'in ~/.zshrc'],
    ],
    kind: 'completion',
  },
  {
    name: 'help',
    group: 'Help',
    describe: 'The same as --help',
    argument: { value: 'COMMAND', describe: 'Command to explain' },
    target: { value: 'WORD', describe: 'Second word of a command that has two' },
    options: {},
    examples: [['converge help deploy', 'what deploy does and takes']],
    kind: 'help',
  },
]

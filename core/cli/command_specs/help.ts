/** Defines the commands that print help and reference information. */
import { formatOptions } from './shared_options.ts'
import type { CommandSpec } from './types.ts'

export const helpCommands: readonly CommandSpec[] = [
  {
    name: 'resources',
    group: 'Help',
    description: 'The resource types, or one of them with its properties and examples',
    argument: { placeholder: 'NAME', description: 'Resource type' },
    options: formatOptions,
    examples: [
      ['converge resources', 'all types'],
      ['converge resources git_release', 'its properties'],
    ],
    kind: 'resources',
  },
  {
    name: 'completion',
    group: 'Help',
    description: 'Print the completion script for bash or zsh',
    details:
      'It completes commands, options, roles, events, resource types and files. From the stack file in the working directory, or that of --stack, it completes hosts, layers, apps and environments.',
    argument: { placeholder: 'SHELL', description: 'bash or zsh; default: that of $SHELL' },
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
    description: 'The same as --help',
    argument: { placeholder: 'COMMAND', description: 'Command to explain' },
    secondArgument: { placeholder: 'WORD', description: 'Second word of a command that has two' },
    options: {},
    examples: [['converge help deploy', 'options and examples of deploy']],
    kind: 'help',
  },
]

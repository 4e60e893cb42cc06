/** Defines the commands about a stack file. */
import { formatOptions, inputGroup, inputOptions, originOptions } from './shared_options.ts'
import type { CommandFamily, CommandSpec, Options } from './types.ts'

/** The options that select a stack and its environment. */
export const stackOptions = {
  stack: {
    group: inputGroup,
    alias: 's',
    type: 'string',
    placeholder: 'FILE',
    description: 'Stack file; default: stack.yaml, .yml, .json, .jsonc or .ts in the working directory',
  },
  environment: {
    group: inputGroup,
    alias: 'E',
    type: 'string',
    placeholder: 'NAME',
    description: 'Environment of the stack file, such as staging',
  },
  recipes: inputOptions.recipes,
  config: inputOptions.config,
} as const satisfies Options

export const stackFamily: CommandFamily = {
  name: 'stack',
  group: 'Many hosts over SSH',
  description: 'Run on all hosts of a stack; converge stack --help lists its commands',
  details: 'A stack file lists the hosts, their roles and their apps. The hosts need only sshd.',
  examples: [
    ['converge stack check', 'find mistakes in the stack file, before any connection'],
    ['converge stack setup --accept-new', 'set up all hosts of a new stack'],
    ['converge stack plan --event deploy', 'what would a deploy change?'],
    ['converge stack deploy', 'deploy a new revision, host by host'],
    ['converge stack status', 'state of all hosts'],
    ['converge stack log last', 'the last deployment, with its failures'],
  ],
}

const group = stackFamily.group

export const stackCommands: readonly CommandSpec[] = [
  {
    name: 'stack check',
    group,
    description: 'Find mistakes in a stack, before any connection',
    details:
      'Reads the stack file and compiles each host as a run does, without a connection. A mistake of several hosts is printed once. Exit status 2 when there is a mistake; a suspicious setting, such as clients that no balancer drains, is a warning.',
    options: { ...stackOptions, ...formatOptions },
    examples: [
      ['converge stack check', 'the stack file in the working directory, with all its environments'],
      ['converge stack check --stack site/stack.yaml --environment staging', 'one of its environments'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack show',
    group,
    description: 'Show the hosts, layers, apps and services of a stack, and their connections',
    details:
      'Computed from the stack file alone, as in converge stack check. The picture has a box for each layer, and arrows from the visitors inwards.',
    options: {
      ...stackOptions,
      graph: {
        group: 'Output',
        type: 'string',
        placeholder: 'FILE',
        description: 'Write a picture (SVG) to this file, or - for standard output',
      },
      ...formatOptions,
    },
    examples: [
      ['converge stack show', 'what runs where?'],
      ['converge stack show --environment staging --graph staging.svg', 'a picture of the connections'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack attributes',
    group,
    description: 'Show the merged attributes of a host of a stack, and the source of each',
    details:
      'Computed from the stack file alone: the facts of the host, such as its number of CPUs, are those of the stack file, or defaults.',
    argument: { placeholder: 'HOST', description: 'Name of the host in the stack file', required: true },
    options: { ...stackOptions, ...originOptions, ...formatOptions },
    examples: [
      ['converge stack attributes client1 --origins', 'what is set for a host, and where?'],
      ['converge stack attributes client1 --explain plone_instances.per_cpu', 'who sets it?'],
    ],
    kind: 'stack',
    conflicts: [['explain', 'origins']],
  },
  {
    name: 'stack schema',
    group,
    description: 'Print the JSON Schema of a stack file, for editors',
    options: {},
    examples: [['converge stack schema > stack.schema.json', 'completion in an editor']],
    kind: 'stack',
  },
  {
    name: 'stack userdata',
    group,
    description: 'Print the cloud-init user data for a new host of the stack',
    details:
      'The user data creates the account of the stack file with your key, gives it sudo as the stack file requests, and names the host. It contains no secret of the stack. Afterwards run converge stack setup --host HOST.',
    argument: { placeholder: 'HOST', description: 'Name of the host in the stack file', required: true },
    options: {
      ...stackOptions,
      'authorized-key': {
        group: inputGroup,
        type: 'string',
        placeholder: 'FILE',
        description: 'Public keys that may log in; default: that of the identity for connections to the host',
      },
      'host-key': {
        group: inputGroup,
        type: 'boolean',
        description:
          'Create the host key here, and add it to your known_hosts, so the first connection requires no trust. The user data then contains the private key',
      },
      output: {
        group: 'Output',
        type: 'string',
        placeholder: 'FILE',
        description: 'Write to this file, which only you can read; default: standard output',
      },
    },
    examples: [
      ['converge stack userdata client4 > client4.yaml', 'then: stack setup --host client4 --accept-new'],
      ['converge stack userdata client4 --host-key --output client4.yaml', 'then: stack setup --host client4'],
    ],
    kind: 'stack',
  },
]

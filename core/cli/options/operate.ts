/** Defines the commands that run a command on the hosts of a stack, read their logs, or log in to one. */
import { connecting, selection } from './rollouts.ts'
import { how, lookOutput, what } from './shared.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

const group = stackFamily.group
const { reconnect: _, ...connect } = connecting

const privileges = {
  sudo: {
    group: how,
    type: 'boolean',
    describe: 'Run it as root, as converge runs on the host: through sudo, unless the account is root',
  },
  user: {
    group: how,
    alias: 'u',
    type: 'string',
    value: 'ACCOUNT',
    describe: 'Run it as this account of the host; implies --sudo',
  },
} as const

const jsonLines = {
  'json-output': { ...lookOutput['json-output'], describe: 'JSON lines for programs' },
  color: lookOutput.color,
} as const

export const operateCommands: readonly CommandSpec[] = [
  {
    name: 'stack exec',
    group,
    describe: 'Run a command on hosts; hosts with the same output are shown together',
    details:
      'One word is a command line for the shell of the host; several words are a program and its arguments, which no shell interprets. The command runs as the account that logs in, without a terminal and with empty standard input. On one host its output is shown as it arrives. Ctrl-C, the timeout and a lost connection end the command on the hosts. Exit status 1 when it fails on any host. No host is locked, and no record is kept.',
    command: { value: 'COMMAND ...', describe: 'Command to run', required: true },
    options: {
      ...stackOptions,
      ...selection,
      ...privileges,
      timeout: {
        group: how,
        type: 'number',
        value: 'SECONDS',
        default: '600',
        describe: 'End the command on a host after this long; 0: no limit',
      },
      ...connect,
      ...jsonLines,
    },
    examples: [
      ['converge stack exec -- uptime', 'a command on every host'],
      [
        "converge stack exec --layer clients --sudo -- 'df -h /srv | tail -n 1'",
        'a command line for the shell, as root',
      ],
      [
        'converge stack exec --host client1 --user plone -- /srv/www/site/current/bin/instance --help',
        'as another account',
      ],
    ],
    kind: 'stack',
  },
  {
    name: 'stack logs',
    group,
    describe: 'Show or follow the logs of the programs on hosts',
    details:
      'The logs are those of the programs that the roles of a host declare: files of supervisord, journals of systemd units, and the log files of Zope, nginx, HAProxy and php-fpm. Each line begins with its host and program. --follow survives log rotation, and connects again where a connection is lost; Ctrl-C ends it, also on the hosts.',
    options: {
      ...stackOptions,
      ...selection,
      app: {
        ...selection.app,
        describe: 'Only the logs of this app and of the servers in front of it; several by commas or by repeating',
      },
      program: {
        group: what,
        type: 'string',
        value: 'NAME',
        describe: "Only the logs of this program; several by commas, and * for any characters, as in 'site-client*'",
      },
      lines: {
        group: how,
        type: 'string',
        value: 'N',
        default: '20',
        describe: 'How many lines of each log, from its end',
      },
      follow: { group: how, alias: 'f', type: 'boolean', describe: 'Continue with new lines until Ctrl-C' },
      ...connect,
      ...jsonLines,
    },
    examples: [
      ['converge stack logs --host client1', 'the end of every log of a host'],
      ['converge stack logs -f --app shop', 'follow an app on all its hosts'],
      ['converge stack logs --program nginx --lines 200', 'one program, more lines'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack ssh',
    group,
    describe: 'Log in to a host with ssh, or run a command there on your terminal',
    details:
      "Runs OpenSSH's ssh with the address, port, user, identity and jump host of the stack file. Host keys, the agent and everything else come from your ssh configuration, as for the other commands. The exit status is that of ssh.",
    argument: { value: 'HOST', describe: 'Name of the host in the stack file', required: true },
    command: { value: 'COMMAND ...', describe: 'Command to run instead of a login shell' },
    options: {
      ...stackOptions,
      'accept-new': {
        ...connect['accept-new'],
        describe: 'Trust the key of a host that is not known yet, without a question; a changed key is still refused',
      },
    },
    examples: [
      ['converge stack ssh client1', 'a shell on client1'],
      ['converge stack ssh client1 -- sudo journalctl --since today', 'a command, with your terminal'],
    ],
    kind: 'stack',
  },
]

/** Defines the commands that run a command on the hosts of a stack, read their logs, or log in to one. */
import { connectionOptions, selectionOptions } from './rollout_options.ts'
import {
  balancerArguments,
  byOption,
  drainWaitOption,
  formatOptions,
  inputGroup,
  lockReasonOption,
  maintenanceSwitch,
  pageTextOption,
  runGroup,
} from './shared_options.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

const group = stackFamily.group
const { reconnect, ...connect } = connectionOptions

const accountOptions = {
  sudo: {
    group: runGroup,
    type: 'boolean',
    description: 'Run it as root, as converge runs on the host: through sudo, unless the account is root',
  },
  user: {
    group: runGroup,
    alias: 'u',
    type: 'string',
    placeholder: 'ACCOUNT',
    description: 'Run it as this account of the host; implies --sudo',
  },
} as const

const verboseOption = {
  group: 'Output',
  alias: 'v',
  type: 'boolean',
  description: 'Also list the requirements that are met',
} as const

const jsonLinesOptions = {
  'json-output': { ...formatOptions['json-output'], description: 'JSON lines for programs' },
  color: formatOptions.color,
} as const

export const operateCommands: readonly CommandSpec[] = [
  {
    name: 'stack exec',
    group,
    description: 'Run a command on hosts; hosts with the same output are shown together',
    details:
      'One word is a command line for the shell of the host; several words are a program and its arguments, which no shell interprets. The command runs as the account that logs in, without a terminal and with empty standard input. On one host its output is shown as it arrives. Ctrl-C, the timeout and a lost connection end the command on the hosts. The exit status is 1 if it fails on any host. No host is locked, and no record is kept.',
    command: { placeholder: 'COMMAND ...', description: 'Command to run', required: true },
    options: {
      ...stackOptions,
      ...selectionOptions,
      ...accountOptions,
      timeout: {
        group: runGroup,
        type: 'number',
        placeholder: 'SECONDS',
        default: '600',
        description: 'End the command on a host after this long; 0: no limit',
      },
      ...connect,
      ...jsonLinesOptions,
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
    name: 'stack doctor',
    group,
    description: 'Check hosts for missing requirements of their roles, with the command that fixes each',
    details:
      'Runs converge doctor on each host, with the roles and attributes of its last successful run. Requirements that are met are left out, except with --verbose. Hosts with the same findings are shown together. The exit status is 1 if something is missing on any host, could not be checked, or a host cannot be reached. No host is locked, and no record is kept.',
    options: { ...stackOptions, ...selectionOptions, ...connect, verbose: verboseOption, ...jsonLinesOptions },
    examples: [
      ['converge stack doctor', 'all hosts'],
      ['converge stack doctor --layer clients --verbose', 'also the requirements that are met'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack balancer',
    group,
    description: 'List the backend servers of the balancers, drain one, or set it ready',
    details:
      'Like converge balancer, on each host of the stack with a balancer. A drained server gets no new visitors until it is set ready, even if a deploy restarts it. The exit status is 1 if a balancer cannot be queried, or a session is left.',
    argument: balancerArguments.action,
    secondArgument: balancerArguments.server,
    options: {
      ...stackOptions,
      ...selectionOptions,
      ...drainWaitOption,
      ...connect,
      ...jsonLinesOptions,
    },
    examples: [
      ['converge stack balancer', 'all servers, their states and their sessions'],
      ['converge stack balancer drain plone1-2', 'before you inspect that client'],
      ['converge stack balancer ready plone1-2', 'accept visitors again'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack maintenance',
    group,
    description: 'Show visitors a maintenance page instead of the sites of hosts, or the sites again',
    details:
      'Closes or opens every site of the selected hosts that has a maintenance page. Visitors get status 503 until it is switched off, also after deploys. It works while a rollout has locked the hosts, and waits up to nine minutes for a run that is under way on a host. The records of the hosts name you as the operator, and converge stack status shows who closed a site and when.',
    argument: maintenanceSwitch,
    options: {
      ...stackOptions,
      ...selectionOptions,
      ...pageTextOption,
      ...byOption,
      ...connect,
      ...jsonLinesOptions,
    },
    examples: [
      ["converge stack maintenance on -m 'Back at nine.'", 'all sites of the stack are closed'],
      ['converge stack maintenance off', 'the sites are open again'],
      ['converge stack maintenance on --layer frontend', 'only the sites of some hosts'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack lock',
    group,
    description: 'Prevent deploys by other operators on hosts, with a reason',
    details:
      'Like converge lock on each host. Until converge stack unlock, builds, deploys, rollbacks and undeploys of other operators fail on these hosts, also without converge stack. Your own commands continue with a warning. A host that another operator has locked fails, and the others are locked.',
    options: {
      ...stackOptions,
      ...selectionOptions,
      ...lockReasonOption,
      ...connect,
      ...jsonLinesOptions,
    },
    examples: [
      ["converge stack lock -m 'release day: ask Ann first'", 'other operators see this reason'],
      ['converge stack lock --layer clients', 'only some hosts'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack unlock',
    group,
    description: 'Allow deploys on hosts again; also removes the locks of other operators',
    options: { ...stackOptions, ...selectionOptions, ...connect, ...jsonLinesOptions },
    examples: [['converge stack unlock', 'all hosts']],
    kind: 'stack',
  },
  {
    name: 'stack logs',
    group,
    description: 'Show or follow the logs of the programs on hosts',
    details:
      'The logs are those of the programs that the roles of a host declare. Sources are supervisord, the journal of systemd, and the log files of Zope, nginx, HAProxy and php-fpm. Each line begins with its host and program. --follow survives log rotation, and connects again where a connection is lost; Ctrl-C ends it, also on the hosts.',
    options: {
      ...stackOptions,
      ...selectionOptions,
      app: {
        ...selectionOptions.app,
        description: 'Only the logs of this app and of the servers in front of it; several by commas or by repeating',
      },
      program: {
        group: inputGroup,
        type: 'string',
        placeholder: 'NAME',
        description: "Only the logs of this program; several by commas, and * for any characters, as in 'site-client*'",
      },
      lines: {
        group: runGroup,
        type: 'string',
        placeholder: 'N',
        default: '20',
        description: 'How many lines of each log, from its end',
      },
      follow: { group: runGroup, alias: 'f', type: 'boolean', description: 'Continue with new lines until Ctrl-C' },
      ...connect,
      ...jsonLinesOptions,
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
    description: 'Log in to a host with ssh, or run a command there on your terminal',
    details:
      "Runs OpenSSH's ssh with the address, port, user, identity and jump host of the stack file. Host keys, the agent and everything else come from your ssh configuration, as for the other commands. The exit status is that of ssh.",
    argument: { placeholder: 'HOST', description: 'Name of the host in the stack file', required: true },
    command: { placeholder: 'COMMAND ...', description: 'Command to run instead of a login shell' },
    options: {
      ...stackOptions,
      'accept-new': {
        ...connect['accept-new'],
        description:
          'Trust the key of a host that is not known yet, without a question; a changed key is still refused',
      },
    },
    examples: [
      ['converge stack ssh client1', 'a shell on client1'],
      ['converge stack ssh client1 -- sudo journalctl --since today', 'a command, with your terminal'],
    ],
    kind: 'stack',
  },
]

/** Defines the commands by which the scheduler of a host calls converge. */
import { formatOptions, inputGroup, inputOptions, outputOptions, quietOrVerbose, runOptions } from './shared_options.ts'
import type { CommandFamily, CommandSpec, Options } from './types.ts'

export const hooksFamily: CommandFamily = {
  name: 'hooks',
  group: 'Services',
  description: "Let this host's scheduler call setup, configure and shutdown",
  details:
    'systemd, or cron without systemd, calls the events of the roles: setup at the first boot, configure at intervals, shutdown before the host goes down.',
  examples: [
    ['converge hooks install --role zeo-client', 'attributes in /etc/converge'],
    ['converge hooks show', 'installed hooks'],
  ],
}

const { group } = hooksFamily

/** The options that set how often the scheduler calls configure. */
export const scheduleOptions = {
  interval: {
    group: inputGroup,
    type: 'string',
    placeholder: 'TIME',
    default: '30m',
    description: 'Time between two configures, such as 90s, 5m, 1h',
  },
  jitter: {
    group: inputGroup,
    type: 'string',
    placeholder: 'TIME',
    default: 'a third of the interval, 10m at most',
    description: 'Maximum random delay of each run, so that hosts do not all run at once',
  },
} as const satisfies Options

const hookOptions = {
  ...scheduleOptions,
  program: {
    group: inputGroup,
    type: 'string',
    placeholder: 'PATH',
    description: 'Program that the hooks call; default: this one, with the current Node',
  },
  bare: {
    group: inputGroup,
    type: 'boolean',
    description: 'Call the program without roles, attributes and recipes, because it has its own',
  },
} as const satisfies Options

export const hookCommands: readonly CommandSpec[] = [
  {
    name: 'hooks install',
    group,
    description: 'Write and start systemd units, or write cron jobs',
    details:
      'The hooks call converge with the given options: roles, attribute files, recipes, prefix. Run the command again to change them. Without systemd, and for an ordinary user, cron calls the hooks, except shutdown.',
    options: { ...inputOptions, ...hookOptions, ...runOptions, ...outputOptions },
    examples: [
      ['converge hooks install --role zeo-client --interval 5m --jitter 1m', 'attributes in /etc/converge'],
      [
        'converge hooks install --role zeo-client --node-json /etc/stack.json --dry-run',
        'print the files without writing them',
      ],
    ],
    kind: 'hooks',
    conflicts: quietOrVerbose,
  },
  {
    name: 'hooks remove',
    group,
    description: 'Remove the hooks; no service is stopped',
    options: { ...inputOptions, ...runOptions, ...outputOptions },
    examples: [['converge hooks remove', 'the scheduler no longer calls converge']],
    kind: 'hooks',
    conflicts: quietOrVerbose,
  },
  {
    name: 'hooks show',
    group,
    description: 'Show the installed hooks and their state',
    details: 'The exit status is 1 if a hook is missing.',
    options: { ...inputOptions, ...formatOptions },
    examples: [['converge hooks show', 'installed hooks']],
    kind: 'hooks',
  },
]

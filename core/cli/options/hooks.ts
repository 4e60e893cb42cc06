/** Defines the commands that have the host's own scheduler call converge. */
import { inputOptions, lookOutput, outputOptions, runOptions, talk, what } from './shared.ts'
import type { CommandFamily, CommandSpec, Options } from './types.ts'

export const hooksFamily: CommandFamily = {
  name: 'hooks',
  group: 'Services',
  describe: "Have this host's scheduler call setup, configure and shutdown",
  details:
    'systemd, or cron where none runs, calls the lifecycle of the roles: setup at the first boot, configure now and then, shutdown before the machine goes down.',
  examples: [
    ['converge hooks install --role zeo-client', 'attributes in /etc/converge'],
    ['converge hooks show', 'does it run by itself?'],
  ],
}

const { group } = hooksFamily

/** The options that set how often the scheduler calls configure. */
export const rhythm = {
  interval: {
    group: what,
    type: 'string',
    value: 'TIME',
    default: '30m',
    describe: 'Time between two configures, such as 90s, 5m, 1h',
  },
  jitter: {
    group: what,
    type: 'string',
    value: 'TIME',
    default: 'a third of the interval, 10m at most',
    describe: 'Each of them is later by up to this long, so that not all hosts do it at once',
  },
} as const satisfies Options

const hookOptions = {
  ...rhythm,
  program: {
    group: what,
    type: 'string',
    value: 'PATH',
    describe: 'The program that is called; default: this one, by the Node that runs it now',
  },
  bare: {
    group: what,
    type: 'boolean',
    describe: 'Call the program without roles, attributes and recipes: it knows them itself',
  },
} as const satisfies Options

export const hookCommands: readonly CommandSpec[] = [
  {
    name: 'hooks install',
    group,
    describe: 'Write the units of systemd, or the jobs of cron, and start them',
    details:
      'They call converge with the options given here: roles, files of attributes, recipes, prefix. Run again with others, they take those. Where no systemd runs, and for an ordinary user, cron does what it can, which leaves out shutdown.',
    options: { ...inputOptions, ...hookOptions, ...runOptions, ...outputOptions },
    examples: [
      ['converge hooks install --role zeo-client --interval 5m --jitter 1m', 'attributes in /etc/converge'],
      ['converge hooks install --role zeo-client --node-json /etc/stack.json --dry-run', 'what would be written?'],
    ],
    kind: 'hooks',
    either: talk,
  },
  {
    name: 'hooks remove',
    group,
    describe: 'Take them away again; no service is stopped',
    options: { ...inputOptions, ...runOptions, ...outputOptions },
    examples: [['converge hooks remove', 'this host does nothing by itself any more']],
    kind: 'hooks',
    either: talk,
  },
  {
    name: 'hooks show',
    group,
    describe: 'Which of them are installed, and how they are',
    details: 'Exit status 1 when one is missing.',
    options: { ...inputOptions, ...lookOutput },
    examples: [['converge hooks show', 'does it run by itself?']],
    kind: 'hooks',
  },
]

/** Defines the commands that control services, the maintenance page and balancers. */
import {
  balancerArguments,
  drainWaitOption,
  eventCommand,
  formatOptions,
  inputGroup,
  inputOptions,
  maintenanceSwitch,
  outputOptions,
  pageTextOption,
  quietOrVerbose,
  runGroup,
  runOptions,
} from './shared_options.ts'
import type { CommandSpec } from './types.ts'

export const serviceCommands: readonly CommandSpec[] = [
  {
    name: 'maintenance',
    group: 'Services',
    description: 'Show visitors a maintenance page instead of the site, or the site again',
    details:
      'For work that cannot be done while the site is in use. The web server answers every request with status 503 and the page. Nothing is reloaded or stopped. Maintenance stays on until it is switched off.',
    argument: maintenanceSwitch,
    options: {
      ...inputOptions,
      ...pageTextOption,
      page: { group: inputGroup, type: 'string', placeholder: 'FILE', description: 'HTML file of a complete page' },
      ...runOptions,
      ...outputOptions,
    },
    examples: [
      ['converge maintenance on --role frontend --node-json stack.json', 'the site is closed'],
      ["converge maintenance on --role frontend --node-json stack.json -m 'Back at nine.'", 'with your own text'],
      ['converge maintenance off --role frontend --node-json stack.json', 'the site is open again'],
    ],
    kind: 'maintenance',
    conflicts: [...quietOrVerbose, ['message', 'page']],
  },
  eventCommand('start', 'Start the services of the roles that are down', {
    group: 'Services',
    details: 'Also starts an app that converge stop has stopped, and removes the record of that stop.',
    examples: [['converge start --role zeo-client --json site.json', 'running services stay untouched']],
  }),
  eventCommand('stop', 'Stop the services of the roles', {
    group: 'Services',
    details:
      'The app stays stopped until converge start, restart, rollback or a deploy: configure, setup and a reboot do not start it. converge status prints who stopped it and when, with exit status 1. A second stop keeps the first record. converge shutdown records nothing: the app starts with the host.',
    examples: [['converge stop --role zeo-client --json site.json', 'until converge start, or a deploy']],
  }),
  eventCommand('restart', 'Restart the services of the roles, one after the other', {
    group: 'Services',
    details:
      'Each service must answer before the next one restarts. The command fails at the first service that does not start.',
    examples: [['converge restart --role zeo-client --json site.json', 'without an interruption of the site']],
  }),
  {
    name: 'backup',
    group: 'Services',
    description: 'Back up a ZEO server or a RelStorage database, list, verify or restore its backups',
    details:
      'A backup has the database and its blobs. verify restores one into a scratch directory, and opens the database there. restore does that first, refuses while clients are connected, stops the ZEO server, keeps the earlier data in before-restore-TIME, and starts the ZEO server. With RelStorage, stop all clients first; the earlier database is NAME_before_restore. converge status reports a failed or missing backup, with exit status 1.',
    argument: {
      placeholder: 'now|list|verify|restore',
      description: 'Action',
      choices: ['now', 'list', 'verify', 'restore'],
      required: true,
    },
    secondArgument: { placeholder: 'BACKUP', description: 'Backup to verify or restore; default: the newest one' },
    options: {
      ...inputOptions,
      full: { group: runGroup, type: 'boolean', description: 'Make a full backup instead of an incremental one' },
      ...runOptions,
      ...outputOptions,
    },
    examples: [
      ['converge backup now --role zeo-server --json site.json', 'what changed since the last backup'],
      ['converge backup now --full --role zeo-server --json site.json', 'the whole database'],
      ['converge backup list --role zeo-server --json site.json', 'all backups'],
      ['converge backup verify --role zeo-server --json site.json', 'does the newest backup open?'],
      ['converge backup now --role relstorage-pack --json site.json', 'a database of RelStorage, by pg_dump'],
      ['converge backup restore 2026-11-30-21-00-04 --role zeo-server --json site.json', 'the state of that time'],
    ],
    kind: 'backup',
    conflicts: quietOrVerbose,
  },
  {
    name: 'debug-client',
    group: 'Services',
    description: 'Open a Python prompt in a Zope client of the current release, outside the balancer',
    details:
      'Runs the first client of the site with the word debug, as the account of the app and with its environment. app is the root of the database. The client opens no port, so no visitor reaches it, and has a temporary cache, so the running clients stay as they are. Changes that you commit with transaction.commit() are in the database. Ctrl-D ends it. With SCRIPT, it runs a Python file instead.',
    argument: { placeholder: 'SCRIPT', description: 'Python file to run with app, instead of the prompt' },
    options: { ...inputOptions },
    examples: [
      ['converge debug-client --role zeo-client --json site.json', 'a Python prompt with app'],
      ['converge debug-client /srv/scripts/count.py --role zeo-client --json site.json', 'a script instead'],
    ],
    kind: 'debug-client',
  },
  eventCommand('pack', 'Pack the database: remove old revisions of its objects', {
    group: 'Services',
    details:
      'Runs bin/zeopack of the site, while the site is in use. The part zeoserver of its buildout says how many days of history stay (pack-days). With --role relstorage-pack, runs bin/zodbpack as its buildout schedules it. converge status reports a failed packing, with exit status 1.',
    examples: [['converge pack --role zeo-server --json site.json', 'now, and not on Sunday']],
  }),
  {
    name: 'balancer',
    group: 'Services',
    description: 'List the servers of the balancers, drain one, or set it ready',
    details:
      'A drained server gets no new visitors, and finishes its current requests. It stays drained until converge balancer ready, even if a deploy restarts it. A server that binds visitors by a cookie is put in maintenance instead, because they would still reach it. The balancers are those of the stack, and of converge.balancer.sockets. The exit status is 1 if a balancer cannot be queried, or a session is left.',
    argument: balancerArguments.action,
    secondArgument: balancerArguments.server,
    options: {
      ...inputOptions,
      ...drainWaitOption,
      ...formatOptions,
    },
    examples: [
      ['converge balancer list --node-json stack.json', 'all servers and their state'],
      ['converge balancer drain plone1-2 --node-json stack.json', 'before you inspect that client'],
      ['converge balancer ready plone1-2 --node-json stack.json', 'accept visitors again'],
    ],
    kind: 'balancer',
  },
]

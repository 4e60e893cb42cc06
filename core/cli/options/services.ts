/** Defines the commands that control services, the maintenance page and balancers. */
import { eventCommand, how, inputOptions, lookOutput, outputOptions, runOptions, talk, what } from './shared.ts'
import type { CommandSpec } from './types.ts'

export const serviceCommands: readonly CommandSpec[] = [
  {
    name: 'maintenance',
    group: 'Services',
    describe: 'Show visitors a page instead of the site, or the site again',
    details:
      'For what cannot be done while the site is used. The web server answers every request with status 503 and the page; nothing is reloaded, and nothing else is stopped. It stays on until it is switched off.',
    argument: { value: 'on|off', describe: 'Which of the two', words: ['on', 'off'], required: true },
    options: {
      ...inputOptions,
      message: { group: what, alias: 'm', type: 'string', value: 'TEXT', describe: 'What the page says' },
      page: { group: what, type: 'string', value: 'FILE', describe: 'A whole page of your own, as HTML' },
      ...runOptions,
      ...outputOptions,
    },
    examples: [
      ['converge maintenance on --role frontend --node-json stack.json', 'the site is closed'],
      ["converge maintenance on --role frontend --node-json stack.json -m 'Back at nine.'", 'with words of your own'],
      ['converge maintenance off --role frontend --node-json stack.json', 'and open again'],
    ],
    kind: 'maintenance',
    either: [...talk, ['message', 'page']],
  },
  eventCommand('start', 'Start the services of the roles that are down', {
    group: 'Services',
    details: 'Also starts an app that converge stop has stopped, and removes the record of that stop.',
    examples: [['converge start --role zeo-client --json site.json', 'those that run already are left alone']],
  }),
  eventCommand('stop', 'Stop the services of the roles', {
    group: 'Services',
    details:
      'The app stays stopped until converge start, restart, rollback or a deploy: configure, setup and a reboot do not start it. converge status says who stopped it and when, with exit status 1. A second stop keeps the first record. converge shutdown records nothing: the app starts with the host.',
    examples: [['converge stop --role zeo-client --json site.json', 'until converge start, or a deploy']],
  }),
  eventCommand('restart', 'Restart the services of the roles, one after the other', {
    group: 'Services',
    details: 'Each has to answer before the next one goes; it stops at the first that does not come up.',
    examples: [['converge restart --role zeo-client --json site.json', 'without an interruption of the site']],
  }),
  {
    name: 'balancer',
    group: 'Services',
    describe: 'The servers of the balancers; take one out (drain) or put it back in (ready)',
    details:
      'A drained server gets no new visitors; those it is answering are waited for. It stays out until converge balancer ready, also when a deploy restarts it. Where visitors are bound to a server by a cookie it is put in maintenance instead, since they would still come. The balancers are those of the stack, and of converge.balancer.sockets. Exit status 1 when one of them cannot be asked, or a session is left.',
    argument: {
      value: 'list|drain|ready',
      describe: 'What to do; default: list',
      words: ['list', 'drain', 'ready'],
    },
    target: { value: 'SERVER', describe: 'Server to take out or put in: its name, or backend/name' },
    options: {
      ...inputOptions,
      wait: {
        group: how,
        type: 'number',
        value: 'SECONDS',
        describe: 'Wait up to this long until a drained server has no session left',
        default: '60',
      },
      ...lookOutput,
    },
    examples: [
      ['converge balancer list --node-json stack.json', 'who gets visitors?'],
      ['converge balancer drain plone1-2 --node-json stack.json', 'before you look into that client'],
      ['converge balancer ready plone1-2 --node-json stack.json', 'back in'],
    ],
    kind: 'balancer',
  },
]

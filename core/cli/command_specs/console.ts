/** Defines the command that starts the console. */
import { inputGroup } from './shared_options.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

export const consoleCommands: readonly CommandSpec[] = [
  {
    name: 'console',
    group: stackFamily.group,
    description: 'Serve pages and an API to plan, start and follow deployments of stacks',
    details:
      'Runs until it is interrupted. Each deployment is a rollout of converge stack in a process of its own, which continues when the console ends. The first start prints a link to make the first account. Requires Node 22.13 or later. install sets it up as a service of systemd on this host, with these options and an account of its own, and remove ends that; the role console adds nginx with TLS. invite prints a link for another administrator; backup FILE copies the database while the console works.',
    options: {
      stack: {
        ...stackOptions.stack,
        description: 'Stack file, several by commas; default: the one in the working directory',
      },
      listen: {
        group: 'How to run',
        type: 'string',
        placeholder: 'ADDRESS:PORT',
        default: '127.0.0.1:8484',
        description: 'Where it listens; put a server with TLS in front of it for other computers',
      },
      url: {
        group: 'How to run',
        type: 'string',
        placeholder: 'URL',
        description: 'Address under which browsers reach it, such as https://deploy.example.com',
      },
      settings: {
        group: inputGroup,
        type: 'string',
        placeholder: 'FILE',
        description: 'Settings in YAML or JSON: login by OpenID Connect, local accounts, mail, and notices',
      },
      'keep-days': {
        group: 'How to run',
        type: 'string',
        placeholder: 'DAYS',
        default: '365',
        description: 'Days for which ended deployments, their logs and the audit are kept',
      },
      'state-dir': {
        group: inputGroup,
        type: 'string',
        placeholder: 'DIR',
        description:
          'Directory of its database; default: /var/lib/converge/console, or ~/.local/state/converge/console',
      },
    },
    argument: {
      placeholder: 'ACTION',
      description: 'install, remove, invite or backup; default: serve',
      choices: ['install', 'remove', 'invite', 'backup'],
    },
    secondArgument: { placeholder: 'FILE', description: 'With backup: the new file' },
    examples: [
      ['converge console --stack shop/stack.yaml', 'http://127.0.0.1:8484'],
      ['converge console --url https://deploy.example.com', 'behind nginx with TLS'],
      ['converge console --settings /etc/converge/console.yaml', 'with login by OpenID Connect, or mail'],
      ['converge console install --stack /srv/stacks/shop/stack.yaml', 'a service that starts with this host'],
      ['converge console backup /var/backups/console.sqlite', 'a copy of the database'],
    ],
    kind: 'console',
  },
]

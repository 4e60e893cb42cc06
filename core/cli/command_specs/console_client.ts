/** Defines the command that deploys by a console, for pipelines. */
import { commentOption, deployOptions, orderOptions, rollbackOption, selectionOptions } from './rollout_options.ts'
import { formatOptions, inputGroup, runGroup } from './shared_options.ts'
import { stackFamily } from './stack.ts'
import type { CommandSpec } from './types.ts'

/** The option that turns a command for this host into one that a console runs. */
export const consoleOption = 'console'

export const consoleClientCommands: readonly CommandSpec[] = [
  {
    name: `deploy --${consoleOption}`,
    group: stackFamily.group,
    description: 'Deploy by a console and follow it to its end, for pipelines',
    details:
      'Asks the console for a deployment, which runs without a confirmation, and prints what happens. The token is the environment variable CONVERGE_TOKEN or the file of --token-file; it requires the level deploy. A stack that requires a second person still waits for that person. A lost connection is made again and no line is lost. Ctrl-C ends this command, and not the deployment. Exit status 0 if the deployment succeeded, else 1.',
    options: {
      [consoleOption]: {
        group: inputGroup,
        type: 'string',
        placeholder: 'URL',
        description: 'Address of the console, such as https://deploy.example.com',
      },
      stack: {
        group: inputGroup,
        alias: 's',
        type: 'string',
        placeholder: 'NAME',
        description: 'Name of the stack in the console; default: the only one that the token permits',
      },
      'token-file': {
        group: inputGroup,
        type: 'string',
        placeholder: 'FILE',
        description: 'File with the token; default: the environment variable CONVERGE_TOKEN',
      },
      app: selectionOptions.app,
      layer: selectionOptions.layer,
      host: selectionOptions.host,
      revision: deployOptions.revision,
      ...orderOptions,
      ...rollbackOption,
      ...commentOption,
      follow: {
        group: runGroup,
        type: 'boolean',
        description: 'Follow the deployment to its end (--no-follow: print its address and end); default: follow',
      },
      ...formatOptions,
    },
    examples: [
      ['converge deploy --console https://deploy.example.com --app shop --revision v2.1', 'token in CONVERGE_TOKEN'],
      [
        'converge deploy --console https://deploy.example.com --strategy canary --rollback-on-failure',
        'a canary first',
      ],
    ],
    kind: 'console-client',
    advice: {
      token: 'other accounts can read the words of a command: set CONVERGE_TOKEN, or name a file with --token-file',
      role: 'the stack of the console gives each host its roles; --app, --layer and --host select hosts',
      json: 'the stack file of the console has the attributes',
    },
  },
]

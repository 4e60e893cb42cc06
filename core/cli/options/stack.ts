/** The commands that drive the hosts of a stack. */
import { inputOptions, what } from './shared.ts'
import type { CommandFamily, CommandSpec, Options } from './types.ts'

/** Which stack is meant. */
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
}

const group = stackFamily.group

export const stackCommands: readonly CommandSpec[] = [
  {
    name: 'stack schema',
    group,
    describe: 'Print the JSON Schema of a stack file, for editors',
    options: {},
    examples: [['converge stack schema > stack.schema.json', 'completion in an editor']],
    kind: 'stack',
  },
]

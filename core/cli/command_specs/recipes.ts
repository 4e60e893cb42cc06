/** Defines the commands for authors of recipes. */
import { inputGroup, runGroup } from './shared_options.ts'
import type { CommandFamily, CommandSpec } from './types.ts'

const group = 'Recipes of your own'

export const newFamily: CommandFamily = {
  name: 'new',
  group,
  description: 'Create a directory of recipes, a role or a resource type',
  details: 'It writes files with a working example and a green test, and overwrites nothing.',
  examples: [
    ['converge new recipes my-recipes', 'a directory of recipes'],
    ['converge new role queue-worker', 'a role, within that directory'],
  ],
}

export const recipeCommands: readonly CommandSpec[] = [
  {
    name: 'test',
    group,
    description: 'Run the tests of a directory of recipes',
    details:
      'It compiles every file that ends in .test.ts, .test.mts, .test.js or .test.mjs, and runs them with the test runner of Node.js. Neither a package nor a configuration is required. It does not check types. The exit status is 1 if a test fails.',
    argument: { placeholder: 'DIR', description: 'Directory or file; default: the working directory' },
    options: {
      only: {
        group: inputGroup,
        type: 'string',
        placeholder: 'PATTERN',
        repeatable: true,
        description: 'Run only tests whose names match',
      },
      'update-snapshots': {
        group: runGroup,
        type: 'boolean',
        description: 'Store the actual texts of assertSnapshot, instead of comparing them',
      },
    },
    examples: [
      ['converge test my-recipes', 'all tests below a directory'],
      ['converge test my-recipes/test/motd.test.ts', 'one file'],
    ],
    kind: 'test',
  },
  {
    name: 'new recipes',
    group,
    description: 'Create a directory of recipes with a role, a template and a test',
    details:
      'The directory has package.json, tsconfig.json, converge.config.ts, settings of an editor and a workflow for CI. npm installs the same converge as the one that runs this command.',
    argument: { placeholder: 'DIR', description: 'Directory to create', required: true },
    options: {},
    examples: [['converge new recipes my-recipes', 'then: cd my-recipes, npm install, npx converge test']],
    kind: 'new',
  },
  {
    name: 'new role',
    group,
    description: 'Add a role with attributes, a template and a test',
    details: 'Run it in the directory that converge new recipes created.',
    argument: { placeholder: 'NAME', description: 'Name of the role, such as queue-worker', required: true },
    options: {},
    examples: [['converge new role queue-worker', 'recipes/queue_worker.ts and its test']],
    kind: 'new',
  },
  {
    name: 'new resource',
    group,
    description: 'Add a resource type with a test of its contract',
    details: 'Run it in the directory that converge new recipes created.',
    argument: { placeholder: 'NAME', description: 'Name of the type, such as login_banner', required: true },
    options: {},
    examples: [['converge new resource login_banner', 'recipes/resources/login_banner.ts and its test']],
    kind: 'new',
  },
]

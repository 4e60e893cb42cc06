/**
 * Defines how each fenced block of the documentation is tested, with the kinds of `test/docs/kinds.ts`. A block outside
 * of this table is tested according to its language; a block whose language has no default kind must be in the table.
 */
import type { Block } from './blocks.ts'
import { recipesExample, secretsExample, secretsReference, secretsSession } from './command_blocks.ts'
import { attributes, cannotRun, commands, compared, elsewhere, type Proof, typescript, wrapped } from './kinds.ts'
import {
  cloudConfig,
  completion,
  cronOfHost,
  cronOfStack,
  defaultPorts,
  doctorAnswers,
  explained,
  haproxyGlobal,
  journalOfFailure,
  merged,
  pathsOfClient,
  problems,
  recipeDirectory,
  revisionLine,
  stackPart,
  stackProblems,
  systemdUnit,
  unitLinesOfStack,
  unknownInPlan,
  userData,
  withoutEffect,
} from './outputs.ts'

const zeo = ['zeo-server', 'zeo-client']
const kitExamples = 'test/docs/testing_recipes.test.ts'
const verifyTest = 'test/hints/verify.test.ts'
/** It requires a later Node than the other commands. */
const consoleTest = 'test/machine/console.test.ts'
const consoleSettings = 'test/core/console/settings.test.ts'
const consoleService = 'test/machine/console_service.test.ts'
const plone6 = 'test/machine/plone6_site.test.ts'
const app = (name: string) => ({ deploy: { [name]: { scm: { scm_type: 'git', repository: '/srv/site.git' } } } })

const byLanguage: Readonly<Record<string, Proof>> = { json: attributes(), sh: commands, ts: typescript() }

/** Finds a block's proof; blocks that contain commands are commands even without a language. */
export function proofOf({ key, language, text }: Block): Proof | undefined {
  return examples[key] ?? byLanguage[language] ?? (/^(converge .*\n)+$/.test(text) ? commands : undefined)
}

export const examples: Readonly<Record<string, Proof>> = {
  'README.md > converge': elsewhere('test/machine/system_deploy.test.ts'),
  'README.md > Deploy your own site > 2': attributes(zeo),

  'docs/attributes.md > Attributes without effect': compared(withoutEffect),
  'docs/attributes.md > Merging': compared(merged),
  'docs/attributes.md > Patches': attributes([], {
    plone_instances: { zserver_threads: 4 },
    deploy: { plone_instances: { domains: ['www.example.com'] } },
  }),
  'docs/attributes.md > Find out where a value comes from': compared(explained),
  'docs/attributes.md > Find out where a value comes from > 3': cannotRun('settings of an editor'),
  'docs/attributes.md > Errors': compared(problems),

  'docs/deploys.md > Deploy one commit to several hosts': compared(revisionLine),
  'docs/deploys.md > Migrations': attributes([], app('plone_instances')),
  'docs/deploys.md > Debug a site': elsewhere('test/machine/debug_client.test.ts'),
  'docs/deploys.md > Smoke tests': attributes([], app('plone_instances')),

  'docs/doctor.md > Check a host before a deploy': compared(doctorAnswers),

  // It requires a rollout that runs.
  'docs/fleet.md > Pause a rollout': elsewhere('test/machine/fleet_operators.test.ts'),
  'docs/fleet.md > Steps of a deploy': cannotRun(
    "a deploy with commits of a site's repository; test/core/fleet/screen/moves.test.ts compares these lines",
  ),
  'docs/fleet.md > Roll back': cannotRun(
    "a rollback of a site's releases; test/core/fleet/screen/moves.test.ts compares these lines",
  ),
  'docs/fleet.md > Lost connections and interrupts': cannotRun(
    'a refusal; test/machine/fleet_operators.test.ts matches such a line',
  ),
  'docs/fleet.md > Two operators at once': cannotRun(
    'a refusal; test/machine/fleet_operators.test.ts matches such a line',
  ),
  'docs/fleet.md > Restarts by configure': cannotRun(
    'what hosts restart; test/core/fleet/screen/screen.test.ts has these very lines',
  ),

  'docs/fleet.md > Check hosts > 2': cannotRun(
    'findings of six hosts; test/machine/fleet_operators.test.ts matches such lines',
  ),
  'docs/fleet.md > Run a command on hosts > 2': cannotRun(
    'what a command prints on six hosts; test/core/fleet/operate/results.test.ts has these very lines',
  ),

  'docs/fleet.md > What you see': cannotRun(
    'a picture of a rollout; test/core/fleet/screen/screen.test.ts has each of its lines',
  ),
  'docs/fleet.md > What you see > 3': cannotRun(
    'the end of a rollout on 12 hosts; test/core/fleet/screen/screen.test.ts has each of its lines',
  ),
  'docs/fleet.md > What you see > 2': cannotRun(
    'a line of a rollout that waits; test/core/fleet/screen/screen.test.ts has such lines',
  ),

  'docs/frontend.md > The front end > 2': compared(defaultPorts),
  'docs/frontend.md > Fresh pages after a deploy': attributes(['frontend'], {}),
  'docs/frontend.md > As an ordinary user': attributes(['frontend'], app('plone_instances')),

  'docs/getting-started.md > 1. Write the attributes': attributes(zeo),
  'docs/getting-started.md > 1. Write the attributes > 2': attributes(['zeo-client']),
  'docs/getting-started.md > As root > 2': compared(pathsOfClient),

  'docs/how-a-run-works.md > Read the output': cannotRun(
    'changes of several kinds; test/core/report/terminal.test.ts prints these very lines',
  ),
  'docs/how-a-run-works.md > Commits of a deploy': cannotRun(
    "a deploy with commits of a site's repository; test/core/report/terminal.test.ts prints these very lines",
  ),
  'docs/how-a-run-works.md > References between resources': compared(unknownInPlan),
  'docs/how-a-run-works.md > The dry run': cannotRun(
    "a deploy with a release's files; test/core/report/terminal.test.ts has these very lines",
  ),

  'docs/lifecycle-hooks.md > Lifecycle hooks > 2': attributes(['zeo-client']),
  'docs/lifecycle-hooks.md > systemd': compared(systemdUnit('converge-setup.service')),
  'docs/lifecycle-hooks.md > systemd > 2': compared(systemdUnit('converge-configure.service')),
  'docs/lifecycle-hooks.md > systemd > 3': compared(systemdUnit('converge-configure.timer')),
  'docs/lifecycle-hooks.md > systemd > 4': compared(systemdUnit('converge-shutdown.service')),
  'docs/lifecycle-hooks.md > cron': compared(cronOfHost('converge-setup')),
  'docs/lifecycle-hooks.md > cron > 2': compared(cronOfHost('converge-configure')),
  'docs/lifecycle-hooks.md > Hosts of a stack': compared(systemdUnit('converge-configure.service', 'stack')),
  'docs/lifecycle-hooks.md > Hosts of a stack > 2': compared(systemdUnit('converge-configure.timer', 'stack')),
  'docs/lifecycle-hooks.md > Hosts of a stack > 3': compared(unitLinesOfStack),
  'docs/lifecycle-hooks.md > Hosts of a stack > 4': compared(cronOfStack('converge-setup')),
  'docs/lifecycle-hooks.md > Hosts of a stack > 5': compared(cronOfStack('converge-configure')),
  'docs/lifecycle-hooks.md > A host of a stack': compared(userData),
  'docs/lifecycle-hooks.md > A single host': compared(cloudConfig),

  'docs/php.md > PHP, hot and cold': attributes(['php-app']),

  'docs/console.md > Start the console': elsewhere(consoleTest),
  'docs/console.md > Start the console > 2': elsewhere(consoleTest),
  'docs/console.md > Run the console as a service': elsewhere(consoleService),
  'docs/console.md > Run the console as a service > 2': attributes([]),
  'docs/console.md > Run the console as a service > 3': elsewhere(consoleService),
  'docs/console.md > Deploy from a pipeline': elsewhere(consoleTest),
  'docs/console.md > Deploy from a pipeline > 2': elsewhere(consoleTest),
  'docs/pipelines.md > Deploy and wait': elsewhere(consoleTest),
  'docs/pipelines.md > GitHub Actions': elsewhere(consoleTest),
  'docs/pipelines.md > GitLab CI': elsewhere(consoleTest),
  'docs/pipelines.md > Woodpecker': elsewhere(consoleTest),
  'docs/pipelines.md > What the pipeline sees': elsewhere(consoleTest),
  'docs/console.md > Deploy after a push: webhooks': elsewhere(consoleTest),
  'docs/console.md > Files and backup': elsewhere(consoleTest),
  'docs/console.md > Log in with OpenID Connect': elsewhere(consoleSettings),
  'docs/console.md > Notices: webhook, chat, mail, commit status': elsewhere('test/core/console/notices.test.ts'),
  'docs/console.md > Notices: webhook, chat, mail, commit status > 2': elsewhere(consoleSettings),
  'docs/console.md > Notices: webhook, chat, mail, commit status > 3': elsewhere(consoleSettings),
  'docs/reference/commands.md > stack pause [ID]': elsewhere('test/machine/fleet_operators.test.ts'),
  'docs/reference/commands.md > stack continue [ID]': elsewhere('test/machine/fleet_operators.test.ts'),
  'docs/reference/commands.md > deploy --console URL': elsewhere(consoleTest),
  'docs/reference/commands.md > control': elsewhere('test/machine/agent_services.test.ts'),
  'docs/reference/commands.md > agent ACTION [HOST]': elsewhere('test/machine/agent_services.test.ts'),

  'docs/shared-blobs.md > NFS': attributes([]),
  'docs/shared-blobs.md > S3': attributes([]),

  'docs/relstorage.md > Use RelStorage': attributes(['zeo-client']),
  'docs/relstorage.md > Make the database': elsewhere('test/machine/relstorage_server.test.ts'),
  'docs/relstorage.md > Pack the database': elsewhere('test/machine/relstorage.test.ts'),
  'docs/relstorage.md > Back up the database': elsewhere('test/machine/relstorage.test.ts'),
  'docs/relstorage.md > Restore a backup': elsewhere('test/machine/relstorage.test.ts'),

  'docs/logs-and-backups.md > Snapshot EBS volumes': attributes([]),
  'docs/logs-and-backups.md > Snapshot EBS volumes > 2': elsewhere('test/machine/ebs_snapshots.test.ts'),

  'docs/monitoring.md > Monitor hosts with Prometheus': attributes([]),
  'docs/monitoring.md > Metrics of the last run': elsewhere('test/machine/monitoring.test.ts'),
  'docs/monitoring.md > Scrape the hosts': elsewhere('test/machine/monitoring.test.ts'),
  'docs/monitoring.md > Remove the exporters': elsewhere('test/machine/monitoring.test.ts'),

  'docs/monitoring.md > New Relic': attributes([]),

  'docs/services.md > Redis and memcached': elsewhere('test/machine/packaged_services.test.ts'),
  'docs/services.md > Run the Celery broker': attributes(['zeo-client']),
  'docs/services.md > Run Celery workers': attributes(['zeo-client', 'celerybeat']),

  'docs/plone-6.md > A Plone 6 site on one host': compared(defaultPorts),
  'docs/plone-6.md > 1. Make the repository': elsewhere(plone6),
  'docs/plone-6.md > 2. Describe the host': elsewhere(plone6),
  'docs/plone-6.md > 3. Converge': elsewhere(plone6),
  'docs/plone-6.md > 4. Create the Plone site': elsewhere(plone6),
  'docs/plone-6.md > 5. Visit it': elsewhere(plone6),
  'docs/plone-6.md > 6. Deploy a new commit': elsewhere(plone6),
  'docs/plone-6.md > 7. Roll back': elsewhere(plone6),
  'docs/plone-6.md > As an ordinary user': attributes(['frontend'], app('plone_instances')),

  'docs/port-swap.md > port-app': attributes(['port-app']),
  'docs/port-swap.md > port-app > 3': attributes(['port-app'], app('blog')),
  'docs/port-swap.md > port-app > 4': attributes(),
  'docs/port-swap.md > jetty-app': attributes(['jetty-app']),
  'docs/port-swap.md > Add a login': attributes(['jetty-app']),
  'docs/port-swap.md > Use it in a recipe': typescript('declare const release: ReturnType<typeof git_release>'),

  'docs/writing-recipes.md > Install files of the recipe': typescript('declare const digest: string'),
  'docs/writing-recipes.md > Check configuration before it is used': typescript('declare const site: string'),

  ...Object.fromEntries(
    ['test [DIR]', 'new recipes DIR', 'new role NAME', 'new resource NAME'].map((command) => [
      `docs/reference/commands.md > ${command}`,
      compared(recipesExample),
    ]),
  ),
  ...Object.fromEntries(
    ['init', 'set KEY', 'show [KEY]', 'edit', 'rekey'].map((command) => [
      `docs/reference/commands.md > secrets ${command}`,
      compared(secretsExample),
    ]),
  ),
  'docs/reference/commands.md > completion [SHELL]': compared(completion),

  'docs/rolling-restarts.md > Use it in a recipe': typescript('declare const current: Handle'),
  'docs/rolling-restarts.md > Use it in a recipe > 2': compared(haproxyGlobal),

  'docs/ssh.md > Accept hosts by a certificate authority': cannotRun('a line of known_hosts whose key is left out'),

  'docs/testing-recipes.md > Write a test': elsewhere(kitExamples),
  'docs/testing-recipes.md > Write a test > 2': elsewhere(kitExamples),
  'docs/testing-recipes.md > Run the tests': elsewhere(kitExamples),
  'docs/testing-recipes.md > Describe the host': elsewhere(kitExamples),
  'docs/testing-recipes.md > Script commands': elsewhere(kitExamples),
  'docs/testing-recipes.md > Check the result': elsewhere(kitExamples),
  'docs/testing-recipes.md > Check the result > 2': elsewhere(kitExamples),
  'docs/testing-recipes.md > Review a snapshot': elsewhere(kitExamples),
  'docs/testing-recipes.md > Review a snapshot > 2': elsewhere(kitExamples),
  'docs/testing-recipes.md > Verify a role on a real system': elsewhere(verifyTest),
  'docs/reference/commands.md > verify': elsewhere(verifyTest),
  'docs/reference/commands.md > console [ACTION] [FILE]': elsewhere(consoleTest),
  'docs/testing-recipes.md > Test a resource type': elsewhere(kitExamples),

  'docs/troubleshooting.md > Troubleshooting > 2': compared(journalOfFailure),

  'docs/stack.md > A complete stack file': elsewhere('test/cli/stack_docs.test.ts'),
  'docs/stack.md > Health checks': compared(stackPart),
  'docs/stack.md > Node.js for the hosts': compared(stackPart),
  'docs/stack.md > Keep secrets in an encrypted file': compared(secretsSession),
  'docs/stack.md > Keep secrets in an encrypted file > 2': compared(secretsReference),
  'docs/stack.md > Environments': compared(stackPart),
  'docs/stack.md > Stack files in TypeScript': elsewhere('test/cli/stack_docs.test.ts'),
  'docs/logs-and-backups.md > Send logs to a server': elsewhere('test/recipes/papertrail.test.ts'),
  'docs/stack.md > Accounts of people': attributes(['base']),
  'docs/stack.md > Check a stack file': compared(stackProblems),

  'docs/writing-recipes.md > Start a directory of recipes': cannotRun(
    'test/cli/recipe_tests.test.ts runs this command in an empty directory',
  ),
  'docs/writing-recipes.md > Write recipes > 2': compared(recipeDirectory),
  'docs/writing-recipes.md > Define a resource type > 2': wrapped(methods),
  'docs/writing-recipes.md > Types in your editor': cannotRun(
    'test/types.test.ts compiles a recipe with these options',
  ),
}

/** Wraps two functions of a resource into an object. */
function methods(text: string): string {
  return `import { defineResource, z } from 'converge-engine'
export const example = defineResource(
  { type: 'example', doc: '', examples: [], key: ({ into }) => into, props: z.strictObject({ url: z.string(), into: z.string() }), state: z.strictObject({}) },
  { read: () => ({}), desired: () => ({}), ${text} },
)
`
}

/** Proves the hints about hooks and commands of an app: triggers each on an in-memory host, then follows it. */
import nodeModule from 'node:module'
import t, { type Test } from 'tap'
import { type CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { deploy_hook } from '../../resources/commands/deploy_hook.ts'
import { hookScript } from '../../resources/commands/hook_script.ts'
import { migration } from '../../resources/commands/migration.ts'
import { npm_install } from '../../resources/node/npm_install.ts'
import { proveCalls } from '../support/proofs.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const release = '/srv/site/releases/000002-1a2b3c4d'
const hook = `${release}/deploy/before_restart`
const commands: CommandHandler = ([program = '']) => (program === process.execPath || program === hook ? {} : null)
const declare =
  (more: object): Declare =>
  (r) =>
    deploy_hook(r, { app: 'site', hook: 'before_restart', directory: release, ...more })
const script = 'export default () => undefined\n'

t.test('the hints about accounts work', async (t) => {
  const proof = {
    source: 'resources/commands/app_command.ts',
    hint: 'set user to the account of the app, such as deploy; to run it as root, set allowRoot',
    commands,
    given: (host: VirtualHost) => host.given(hook, '#!/bin/sh\n', '0755'),
    broken: declare({}),
  }
  proveResources(t, [
    { ...proof, repaired: declare({ user: 'deploy' }) },
    { ...proof, repaired: declare({ allowRoot: true }) },
  ])
})

t.test('the hints about commands that fail work', async (t) => {
  const failCommand: CommandHandler = (_argv, _options, host) =>
    host.readText('/srv/site/odd') === null ? {} : { status: 1, stderr: 'the data is odd' }
  const proof = {
    commands: failCommand,
    given: (host: VirtualHost) => host.given(hook, '#!/bin/sh\n', '0755').given('/srv/site/odd', ''),
    repair: (host: VirtualHost) => host.remove('/srv/site/odd'),
  }
  proveResources(t, [
    {
      ...proof,
      source: 'resources/commands/deploy_hook.ts',
      hint: 'correct deploy/before_restart in the repository, and deploy again',
      broken: declare({ user: 'deploy' }),
    },
    {
      ...proof,
      source: 'resources/commands/migration.ts',
      hint: 'correct migrate_command or the program that it runs, and deploy again: the current release stays until a migration succeeds',
      broken: (r) =>
        migration(r, {
          ...{ app: 'site', command: 'bin/migrate', commit: '1a2b3c4d5e6f', directory: release, user: 'deploy' },
        }),
    },
  ])
})

t.test('the hint about a missing lock file works', async (t) => {
  proveResources(t, [
    {
      source: 'resources/node/npm_install.ts',
      hint: 'make it with npm install --package-lock-only, and commit it',
      commands: () => ({}),
      given: (host) => host.given('/srv/shop/package.json', '{}'),
      broken: (r) => npm_install(r, { path: '/srv/shop', user: 'deploy' }),
      repair: (host) => host.given('/srv/shop/package-lock.json', '{}'),
    },
  ])
})

t.test('the hints about files work', async (t) => {
  const source = 'resources/commands/deploy_hook.ts'
  const asDeploy = declare({ user: 'deploy' })
  const link = 'commit what the link points to, or remove the link from the repository'
  const linked = (host: VirtualHost) => host.given(`${hook}.mjs`, { link: '../shared/hook.mjs' })
  proveResources(t, [
    {
      source,
      hint: 'remove all but one of them from the repository',
      commands,
      given: (host) => host.given(hook, '#!/bin/sh\n', '0755').given(`${hook}.ts`, script),
      broken: asDeploy,
      repair: (host) => host.remove(`${hook}.ts`),
    },
    {
      source,
      hint: link,
      commands,
      given: linked,
      broken: asDeploy,
      repair: (host) => host.given(`${release}/shared/hook.mjs`, script, '0644', 'deploy'),
    },
    { source, hint: link, commands, given: linked, broken: asDeploy, repair: (host) => host.remove(`${hook}.mjs`) },
    {
      source,
      hint: `restore /srv/site/releases/000002-1a2b3c4d/deploy/before_restart.mjs, then run the deploy again`,
      commands,
      given: (host) => removedWhileListed(host.given(`${hook}.mjs`, script, '0644', 'deploy'), `${hook}.mjs`),
      broken: asDeploy,
      repair: (host) => host.given(`${hook}.mjs`, script, '0644', 'deploy'),
    },
  ])
})

/** Makes a file vanish right after the first list of its directory, as if another process had removed it. */
function removedWhileListed(host: VirtualHost, path: string): void {
  host.list = (directory) => {
    const names = VirtualHost.prototype.list.call(host, directory)
    if (names.includes(path.slice(path.lastIndexOf('/') + 1))) {
      host.remove(path)
      host.list = VirtualHost.prototype.list
    }
    return names
  }
}

/** Replaces Node's module API by one with or without `stripTypeScriptTypes`. */
function setTypeStripping(t: Test, isThere: boolean): void {
  const node = nodeModule as unknown as Record<string, unknown>
  const before = node.stripTypeScriptTypes
  t.teardown(() => {
    if (before === undefined) Reflect.deleteProperty(node, 'stripTypeScriptTypes')
    else node.stripTypeScriptTypes = before
  })
  if (isThere) node.stripTypeScriptTypes = (text: string) => text
  else Reflect.deleteProperty(node, 'stripTypeScriptTypes')
}

t.test('the hints about TypeScript work', async (t) => {
  const context = { app: 'site', hook: 'before_restart', release, commit: '1a2b' } as const
  const load = (name: string) => hookScript(script, `${release}/deploy/${name}`, context, async () => null)
  const source = 'resources/commands/hook_script.ts'
  const hint = 'install Node 22.13 or later on this host, or write the hook in JavaScript (.mjs) or as an executable'
  const broken = () => {
    setTypeStripping(t, false)
    return load('before_restart.ts')
  }
  proveCalls(t, [
    {
      source,
      hint,
      broken,
      repaired() {
        setTypeStripping(t, true)
        return load('before_restart.ts')
      },
    },
    { source, hint, broken, repaired: () => load('before_restart.mjs') },
  ])
})

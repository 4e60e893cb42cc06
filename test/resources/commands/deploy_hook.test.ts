/** Tests deploy_hook: executables, JavaScript and TypeScript of a release that run at the steps of a deploy. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { deploy_hook } from '../../../resources/commands/deploy_hook.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const release = '/srv/site/releases/000002-1a2b3c4d'
const base = { app: 'site', hook: 'before_restart' as const, directory: release, commit: '1a2b' }
const anna = { name: 'anna', uid: 1000, gid: 1000, home: '/home/anna', shell: '/bin/sh' }

/** Records the arguments of hooks; a script for Node really runs. */
const commands: CommandHandler = (argv, { cwd, environment, input, user }, host) => {
  const [program = '', ...args] = argv
  const note = (text: string) => host.given('/srv/log', `${host.readText('/srv/log') ?? ''}${text}\n`)
  if (program === process.execPath) {
    const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8', env: {} })
    note(stdout.trim())
    return { status: status ?? 1, stdout, stderr }
  }
  if (!program.startsWith(release)) return null
  if (host.readText(program)?.includes('fail')) return { status: 3, stderr: 'no way' }
  note(JSON.stringify([program.slice(release.length), cwd === release, user, environment]))
  return {}
}
const host = { commands, self: anna }
const hook =
  (text: string, name = 'before_restart', mode = '0755') =>
  (on: VirtualHost) =>
    void on.given(`${release}/deploy/${name}`, text, mode)

contract(t, deploy_hook, [
  {
    name: 'runs nothing without a hook',
    props: base,
    host,
    given: (on) => void on.given(`${release}/deploy/after_restart`, '', '0755'),
    changes: [],
  },
  {
    name: 'runs an executable of the release with its variables',
    props: { ...base, environment: { A: '1' } },
    host,
    given: hook('#!/bin/sh\n'),
    changes: ['replace /ranFor'],
    then: (t, on) =>
      t.match(
        on.readText('/srv/log'),
        `["/deploy/before_restart",true,null,{"A":"1","CONVERGE_APP":"site","CONVERGE_HOOK":"before_restart","CONVERGE_RELEASE":"${release}","CONVERGE_COMMIT":"1a2b"}]`,
      ),
  },
  {
    name: 'runs an executable whose name has an extension',
    props: base,
    host,
    given: hook('#!/bin/sh\n', 'before_restart.sh'),
  },
  {
    name: 'TypeScript',
    props: base,
    host,
    given: hook(
      `import type { DeployHook } from 'converge-engine'
       import { sep } from 'node:path'
       const hook: DeployHook = async ({ app, hook, release, commit }) => console.log(sep, app, hook, release, commit)
       export default hook`,
      'before_restart.ts',
      '0644',
    ),
    then: (t, on) => t.match(on.readText('/srv/log'), `/ site before_restart ${release} 1a2b`),
  },
  {
    name: 'runs JavaScript as ESM or CommonJS',
    props: base,
    host,
    given: hook("module.exports = ({ app }) => console.log('of', app)", 'before_restart.cjs', '0644'),
    then: (t, on) => t.match(on.readText('/srv/log'), 'of site'),
  },
  {
    name: 'fails if the executable fails',
    props: base,
    host,
    given: hook('fail'),
    fails: /exited with status 3.*no way/s,
  },
  {
    name: 'fails if the hook throws, and names its line',
    props: base,
    host,
    given: hook("\n\nexport default () => { throw new Error('too late') }", 'before_restart.ts', '0644'),
    fails: /Error: too late.*before_restart\.ts:3/s,
  },
  {
    name: 'fails if the hook rejects',
    props: base,
    host,
    given: hook("export default async () => { throw 'a word' }", 'before_restart.js', '0644'),
    fails: /a word/,
  },
  {
    name: 'fails if the file exports no function',
    props: base,
    host,
    given: hook('export default 1', 'before_restart.ts', '0644'),
    fails: /before_restart\.ts has no function as its default export/,
  },
  {
    name: 'fails if the TypeScript is invalid',
    props: base,
    host,
    given: hook('export default (', 'before_restart.ts', '0644'),
    fails: /before_restart\.ts cannot be compiled: .*before_restart\.ts:1:\d+.*Unexpected end of file/s,
  },
  {
    name: 'fails if two files define one hook',
    props: base,
    host,
    given: (on) => {
      hook('')(on)
      hook('', 'before_restart.ts', '0644')(on)
    },
    fails: /several files for before_restart: before_restart, before_restart\.ts.*remove all but one/s,
  },
  {
    name: 'refuses root',
    props: base,
    host: { commands },
    given: hook(''),
    fails: /would run as root, and with it whatever is pushed.*allowRoot/s,
  },
  { name: 'runs as root if that is allowed', props: { ...base, allowRoot: true }, host: { commands }, given: hook('') },
  {
    name: 'does not run for the current release',
    props: { ...base, hook: 'before_symlink', current: '/srv/site/current' },
    host,
    given: (on) => {
      hook('fail', 'before_symlink')(on)
      on.given('/srv/site/current', { link: release })
    },
    changes: [],
  },
])

t.test('a dry run and a run report a dangling link in the same way', async (t) => {
  const plan = planOf((r) => void deploy_hook(r, base))
  const linked = (name: string) => new VirtualHost(host).given(`${release}/deploy/${name}`, { link: '../none' })
  for (const mode of ['plan', 'run'] as const)
    t.match(failureOf(await run(plan, linked('before_restart.ts'), mode)), {
      code: 'NO_FILE',
      message: /before_restart\.ts is a link to \.\.\/none, which does not exist/,
    })
  t.match((await run(plan, linked('before_restart'))).warnings, [
    /is not run: it is a link to \.\.\/none, which does not exist/,
  ])
})

for (const [name, mode, words] of [
  ['before_restart.rb', '0644', /is a hook for Chef, and is not run: write deploy\/before_restart/],
  ['before_restart', '0644', /is not run, since it is not executable: chmod \+x/],
] as const)
  t.test(`${name} with mode ${mode} is reported once`, async (t) => {
    const on = new VirtualHost(host)
    hook('', name, mode)(on)
    const plan = planOf((r) => void deploy_hook(r, base))
    const first = await run(plan, on)
    t.strictSame(failureOf(first), undefined)
    t.match(first.warnings, [words])
    t.strictSame((await run(plan, on)).warnings, [])
    t.equal(on.readText('/srv/log'), null)
  })

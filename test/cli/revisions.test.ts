/**
 * Tests `revisions`, and the commit that every host receives: which repositories it queries, and which commit a release
 * uses.
 */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { GitSite } from '../support/git_site.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

/** Makes a repository with three commits: no ref points to the first one, and the second one is tagged. */
function repository(t: Test) {
  const site = new GitSite(t)
  const unnamed = site.commit({ VERSION: '0\n' })
  const first = site.commit({ VERSION: '1\n' })
  site.git(site.repository, 'tag', 'v1')
  return { site, unnamed, first, second: site.commit({ VERSION: '2\n' }) }
}

interface Line {
  readonly app: string
  readonly revision: string | null
  readonly commit: string | null
}

/** @param json the custom JSON; null: the existing one */
async function requestedRevision(sandbox: Sandbox, json: object | null, ...args: string[]) {
  if (json !== null) sandbox.write({ 'site.json': JSON.stringify(json) })
  const all = ['revisions', '--json', 'site.json', '--prefix', 'site', '--json-output', ...args]
  const { status, stdout, stderr } = await sandbox.converge(all)
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { status, stderr, lines: lines.map((line) => JSON.parse(line) as Line) }
}

t.test('prints one line for each app of the roles', async (t) => {
  if (!needs(t, ['git'])) return
  const { site, unnamed, first, second } = repository(t)
  const sandbox = new Sandbox(t)
  sandbox.write({ 'copied/index.html': 'x' })
  const git = (revision: string) => ({ scm: { scm_type: 'git', repository: site.repository, revision } })
  const json = {
    plone_instances: { app_name: 'site', enable_celery: true },
    port_app: { app_name: 'shop', command: '%{port}' },
    php_app: { app_name: 'blog' },
    deploy: {
      site: git('main'),
      zeoserver: git('v1'),
      shop: git(second),
      blog: { scm: { scm_type: 'directory', repository: sandbox.at('copied') } },
    },
  }
  const roles = ['--role', 'zeo-server,zeo-client,celerybeat,port-app,php-app,frontend']
  sandbox.write({ 'site.json': JSON.stringify(json) })
  const before = sandbox.snapshot()
  const { status, stderr, lines } = await requestedRevision(sandbox, null, ...roles)
  t.equal(stderr, '')
  t.equal(status, 0)
  t.strictSame(lines, [
    { app: 'zeoserver', revision: 'v1', commit: first },
    { app: 'site', revision: 'main', commit: second },
    { app: 'shop', revision: second, commit: second },
    { app: 'blog', revision: null, commit: null },
  ])
  t.strictSame(sandbox.snapshot(), before, 'nothing is written')
  const { lines: other } = await requestedRevision(sandbox, null, '--role', 'zeo-client', '--revision', 'v1')
  t.strictSame(other, [{ app: 'site', revision: 'v1', commit: first }])
  for (const [given, commit] of [
    [first, first],
    [unnamed, null],
  ] as const) {
    const short = given.slice(0, 8)
    const { lines: found } = await requestedRevision(sandbox, null, '--role', 'zeo-client', '--revision', short)
    t.strictSame(found, [{ app: 'site', revision: short, commit }], 'an abbreviated commit may require a fetch first')
  }
  const { stdout } = await sandbox.converge(['revisions', '--json', 'site.json', '--prefix', 'site', ...roles])
  t.match(stdout, `zeoserver  v1  ${first}\nsite  main  ${second}\n`)
  t.match(stdout, 'blog  a directory of this host\n')
})

t.test('reports revisions that do not resolve, and apps without a repository', async (t) => {
  if (!needs(t, ['git'])) return
  const { site } = repository(t)
  const sandbox = new Sandbox(t)
  const scm = { scm_type: 'git', repository: site.repository, revision: 'mian' }
  const wrong = await requestedRevision(sandbox, { deploy: { plone_instances: { scm } } }, '--role', 'zeo-client')
  t.equal(wrong.status, 1)
  t.match(wrong.stderr, /has no branch, tag or commit mian\n.*did you mean main/)
  const gone = { ...scm, repository: 'https://jane:hunter2-token@127.0.0.1:1/x.git' }
  const unreachable = await requestedRevision(
    sandbox,
    { deploy: { plone_instances: { scm: gone } } },
    '--role',
    'zeo-client',
  )
  t.equal(unreachable.status, 1)
  t.match(unreachable.stderr, /cannot list the branches and tags of https:\/\/127\.0\.0\.1:1\/x\.git/)
  t.notMatch(unreachable.stderr, 'hunter2')
  const none = await requestedRevision(sandbox, {}, '--role', 'zeo-client,frontend')
  t.equal(none.status, 0)
  t.strictSame(none.lines, [])
  t.match(none.stderr, /warning: deploy\.plone_instances\.scm\.repository is not set/)
})

t.test('an unreachable repository: prints the last known commit, and why it may be out of date', async (t) => {
  if (!needs(t, ['git'])) return
  const { site, second } = repository(t)
  const sandbox = new Sandbox(t)
  const shared = 'site/srv/plone_instances/shared'
  const scm = { scm_type: 'git', repository: site.repository, revision: 'main' }
  const json = { deploy: { plone_instances: { scm, deploy_to: '/srv/plone_instances' } } }
  sandbox.write({ [`${shared}/.keep`]: '' })
  site.git(site.root, 'clone', '-q', '--mirror', site.repository, sandbox.at(`${shared}/repo.git`))
  const notes = { url: site.repository, revisions: {}, fetched: site.repository }
  sandbox.write({ [`${shared}/repo.git/converge.json`]: JSON.stringify(notes) })
  const known = await requestedRevision(sandbox, json, '--role', 'zeo-client')
  t.strictSame(known.lines, [{ app: 'plone_instances', revision: 'main', commit: second }])
  fs.renameSync(site.repository, `${site.repository}.gone`)
  const { status, stderr, lines } = await requestedRevision(sandbox, null, '--role', 'zeo-client')
  t.equal(status, 0)
  t.match(lines, [
    { app: 'plone_instances', commit: second, unconfirmed: /^cannot list the branches and tags of .*: fatal: / },
  ])
  t.match(stderr, /warning: cannot list the branches and tags of .*; using /)
  const named = await requestedRevision(sandbox, null, '--role', 'zeo-client', '--revision', second.slice(0, 8))
  t.strictSame([named.lines[0]?.commit, 'unconfirmed' in (named.lines[0] ?? {})], [second, false])
})

t.test('an unreachable git server: prints its reason in full', async (t) => {
  if (!needs(t, ['git'])) return
  const { site, second } = repository(t)
  const sandbox = new Sandbox(t)
  const shared = 'site/srv/plone_instances/shared'
  const url = 'git://127.0.0.1:1/site'
  const scm = { scm_type: 'git', repository: url, revision: 'main' }
  sandbox.write({ [`${shared}/.keep`]: '' })
  site.git(site.root, 'clone', '-q', '--mirror', site.repository, sandbox.at(`${shared}/repo.git`))
  sandbox.write({ [`${shared}/repo.git/converge.json`]: JSON.stringify({ url, revisions: {}, fetched: url }) })
  const { lines } = await requestedRevision(
    sandbox,
    { deploy: { plone_instances: { scm, deploy_to: '/srv/plone_instances' } } },
    ...['--role', 'zeo-client'],
  )
  t.match(lines, [{ commit: second, unconfirmed: /: fatal: unable to connect to 127\.0\.0\.1: .*Connection refused$/ }])
})

t.test('resolves the revision of a custom recipe', async (t) => {
  if (!needs(t, ['git'])) return
  const { site, second } = repository(t)
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/own.ts': `
import { execute, git_release, role } from 'converge-engine'
export default role('own', { deploy(r) {
  const made = execute(r, { command: ['true'], name: 'make' })
  git_release(r, { into: '/srv/mine/releases', shared: '/srv/mine/shared', current: '/srv/mine/current',
    repository: ${JSON.stringify(site.repository)}, revision: 'main', inputs: { made: made.digest } })
} })
`,
  })
  const { lines, stderr } = await requestedRevision(sandbox, {}, '--role', 'own', '--recipes', 'recipes')
  t.strictSame(lines, [{ app: 'mine', revision: 'main', commit: second }], stderr)
})

t.test('a given commit: queries no remote, and the release still belongs to the branch', async (t) => {
  const { site, first, second } = repository(t)
  const one = await site.deploy({ revision: 'main', commit: first.toUpperCase() })
  t.notOk(
    one.calls.some(([verb]) => verb === 'ls-remote'),
    'the commit is fetched, and no name is asked for',
  )
  const current = one.releases.find((release) => release.current)
  t.match(current, { commit: first, revision: 'main' })
  t.equal(site.read(`${site.current}/VERSION`), '1\n')
  const again = await site.deploy({ revision: 'main', commit: first })
  t.equal(again.report.outcome, 'unchanged')
  t.strictSame(again.calls, [], 'not even git is run')
  const next = await site.deploy({ revision: 'main' })
  t.equal(next.releases.find((release) => release.current)?.commit, second)
  fs.renameSync(site.repository, `${site.repository}.gone`)
  const offline = await site.deploy({ revision: 'main', commit: first })
  t.equal(offline.failure, undefined, 'a commit of the mirror needs no repository')
  const missing = await site.deploy({ revision: 'main', commit: 'f'.repeat(40) })
  t.match(missing.failure?.text, /cannot fetch/)
  await t.rejects(site.deploy({ commit: 'abc1234' }), { message: /a commit in full/ })
})

/** Tests git_release: which commit becomes a release, and when. */
import * as fs from 'node:fs'
import t from 'tap'
import { GitSite } from '../../support/git_site.ts'

t.test('resolves a revision to one commit, or fails with a hint', async (t) => {
  const site = new GitSite(t)
  const { repository } = site
  const first = site.commit({ 'a.txt': '1\n' }, 'first')
  site.git(repository, 'tag', 'light')
  site.git(repository, 'tag', '-a', 'v1.0', '-m', 'one')
  site.git(repository, 'tag', '-a', 'nested', '-m', 'two', 'v1.0')
  site.git(repository, 'branch', 'feature/x')
  site.git(repository, 'tag', '20240501')
  const second = site.commit({ 'a.txt': '2\n' }, 'second')
  site.git(repository, 'branch', 'both')
  site.git(repository, 'tag', 'both', first)
  site.git(repository, 'tag', 'same')
  site.git(repository, 'branch', 'same')
  site.git(repository, 'update-ref', 'refs/pull/7/head', first)
  site.git(repository, 'update-ref', 'refs/heads/x/refs/heads/only', first)

  const found: readonly [revision: string, commit: string][] = [
    ['HEAD', second],
    ['main', second],
    ['feature/x', first],
    ['light', first],
    ['v1.0', first],
    ['nested', first],
    ['20240501', first],
    ['same', second],
    ['refs/heads/both', second],
    ['refs/tags/both', first],
    ['refs/pull/7/head', first],
    [first, first],
    [first.toUpperCase(), first],
    [second.slice(0, 7), second],
    [first.slice(0, 10), first],
  ]
  for (const [revision, commit] of found) {
    const { failure, releases } = await site.deploy({ revision })
    t.equal(failure?.text, undefined, `${revision} is found`)
    const current = releases.find((release) => release.current)
    t.equal(current?.commit, commit, `${revision} is its commit`)
    t.equal(site.read(`${site.current}/a.txt`), commit === first ? '1\n' : '2\n')
    t.match(current?.id, new RegExp(`^\\d{6}-${commit.slice(0, 8)}$`))
  }
  const refused: readonly [revision: string, expected: RegExp][] = [
    ['both', /both a branch and a tag.*refs\/heads\/both.*refs\/tags\/both/s],
    ['mian', /has no branch, tag or commit mian\n.*did you mean main\?/s],
    ['only', /has no branch, tag or commit only/],
    ['refs/heads/v1.0', /refs\/heads\/v1.0/],
    ['abcdef0123', /no commit abcdef0123/],
    ['0123456789012345678901234567890123456789', /no commit 0123456789012345678901234567890123456789/],
  ]
  const before = fs.readdirSync(site.into)
  for (const [revision, expected] of refused) {
    const { failure } = await site.deploy({ revision })
    t.match(failure?.text, expected, revision)
  }
  t.strictSame(fs.readdirSync(site.into), before, 'a refused deploy leaves no files')
})

t.test('refuses invalid revisions, addresses and paths before any change', async (t) => {
  const site = new GitSite(t)
  const refused: readonly (readonly [object, RegExp])[] = [
    ...['', '-x', 'a b', 'main~1', 'HEAD^', 'a:b', '*'].map((revision) => [{ revision }, /property revision/] as const),
    ...['', 'site', '-x', './site', 'ext::sh -c id', '--upload-pack=x'].map(
      (repository) => [{ repository }, /property repository/] as const,
    ),
    // git or ssh would read the host as an option.
    ...['--upload-pack:x', '-a@b:x', 'git@-oFoo:x', 'ssh://-oProxyCommand=x/y', 'ssh://a:b@-oFoo/y', 'git://-x/y'].map(
      (repository) => [{ repository }, /property repository.*dash/] as const,
    ),
    ...['/abs', '../x', 'a/../b', '.git/hooks', '.converge', 'a/'].map((path) => [{ purge: [path] }, /purge/] as const),
    [{ links: { log: '../log' } }, /links/],
    [{ revison: 'main' }, /no property revison/],
  ]
  for (const [props, expected] of refused)
    await t.rejects(site.deploy(props), { message: expected }, JSON.stringify(props))
})

t.test('a moved branch creates a release; an unchanged one runs one process and writes nothing', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  const one = await site.deploy()
  t.strictSame(one.report.outcome, 'changed')
  t.equal(one.currentId?.slice(0, 6), '000001')

  const before = site.snapshot()
  const again = await site.deploy()
  t.equal(again.report.outcome, 'unchanged')
  t.strictSame(
    again.calls.map(([verb]) => verb),
    ['ls-remote'],
    'one process',
  )
  t.strictSame(site.snapshot(), before, 'no write')

  site.commit({ 'a.txt': '2' })
  const two = await site.deploy()
  t.equal(two.currentId?.slice(0, 6), '000002')
  t.equal(site.read(`${site.current}/a.txt`), '2')
  t.equal(site.read(`${site.into}/${one.currentId}/a.txt`), '1', 'the other release is as it was')

  site.git(site.repository, 'reset', '-q', '--hard', 'HEAD~1')
  const back = await site.deploy()
  t.equal(back.currentId?.slice(0, 6), '000003', 'moved back, it is a release of its own')
  t.notOk(
    back.calls.some((call) => call.includes('fetch')),
    'and its commit is here already',
  )
})

t.test('two releases of one repository query it once', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  await site.deploy({}, { until: 'checkout' })
  const { calls, failure } = await site.deploy({ revision: 'main', submodules: false }, { until: 'checkout' })
  t.equal(failure, undefined)
  t.equal(calls.filter(([verb]) => verb === 'ls-remote').length, 1, 'also for the read-back')
})

t.test('selects an existing release to use again', async (t) => {
  const site = new GitSite(t)
  const point = (id: string) => {
    fs.rmSync(site.current)
    fs.symlinkSync(`${site.into}/${id}`, site.current)
  }
  site.commit({ 'a.txt': '1' })
  const one = await site.deploy({ inputs: { config: 'a' } })
  const two = await site.deploy({ inputs: { config: 'b' } })
  t.not(two.currentId, one.currentId, 'another configuration is another release')
  t.strictSame(two.calls.map((call) => call.find((word) => /^[a-z-]+$/.test(word)))[0], 'ls-remote')

  point(one.currentId ?? '')
  const forward = await site.deploy({ inputs: { config: 'b' } })
  t.equal(forward.currentId, two.currentId, 'a deploy after a rollback uses the existing release')

  const back = await site.deploy({ inputs: { config: 'a' } })
  t.equal(back.currentId?.slice(0, 6), '000003', 'back by configuration is a new release: ids go up')

  const half = await site.deploy({ inputs: { config: 'c' } }, { until: 'checkout' })
  t.strictSame(
    half.releases.map((release) => release.complete),
    [true, true, true, false],
  )
  t.equal(half.currentId, back.currentId)
  const whole = await site.deploy({ inputs: { config: 'c' } })
  t.equal(whole.currentId?.slice(0, 6), '000004', 'a half-finished one is finished')
  t.equal(
    (await site.deploy({ inputs: { config: 'c' }, record: { a: 1 }, by: 'somebody' })).report.outcome,
    'unchanged',
  )

  await site.deploy({ inputs: { config: 'd' } }, { until: 'checkout' })
  const file = `${site.into}/${fs.readdirSync(site.into).at(-1)}/.converge/release.json`
  fs.writeFileSync(file, site.read(file).replace(/"boot": "[^"]*"/, '"boot": "another"'))
  const after = await site.deploy({ inputs: { config: 'd' } })
  t.equal(after.currentId?.slice(0, 6), '000006', 'a release that was incomplete before a crash is not used')
  t.notOk(fs.existsSync(file), 'and is removed')
})

t.test('always: creates a release each time, unless the last one is incomplete', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  await site.deploy({ always: true })
  const two = await site.deploy({ always: true })
  t.equal(two.currentId?.slice(0, 6), '000002')
  await site.deploy({ always: true }, { until: 'checkout' })
  const three = await site.deploy({ always: true })
  t.equal(three.currentId?.slice(0, 6), '000003')
  t.equal((await site.deploy()).report.outcome, 'unchanged')
})

t.test('pin: uses the commit of the current release without a query', async (t) => {
  const site = new GitSite(t)
  const commit = site.commit({ 'a.txt': '1' })
  t.match((await site.deploy({ pin: 'current' })).failure?.text, /no current release.*run a deploy first/s)
  await site.deploy()
  site.commit({ 'a.txt': '2' })
  fs.renameSync(site.repository, `${site.repository}.away`)
  const same = await site.deploy({ pin: 'current' })
  t.equal(same.report.outcome, 'unchanged')
  t.strictSame(same.calls, [])
  const other = await site.deploy({ pin: 'current', inputs: { config: 'new' } })
  t.equal(other.failure, undefined)
  t.equal(other.releases.at(-1)?.commit, commit)
  t.equal(other.currentId?.slice(0, 6), '000002')
  t.notOk(other.calls.some((call) => call.includes('ls-remote') || call.includes('fetch')))

  fs.rmSync(`${site.shared}/repo.git`, { recursive: true })
  t.match((await site.deploy({ pin: 'current', inputs: { config: 'x' } })).failure?.text, /no longer in.*run a deploy/s)

  fs.mkdirSync(`${site.into}/20240501123000`)
  fs.rmSync(site.current)
  fs.symlinkSync('releases/20240501123000', site.current)
  t.match((await site.deploy({ pin: 'current' })).failure?.text, /20240501123000 has no record of its commit/)
})

t.test('a dry run only queries the remote', async (t) => {
  const site = new GitSite(t)
  const commit = site.commit({ 'a.txt': '1', 'log/x': '1' })
  const before = site.snapshot()
  const links = { links: { log: 'var/log' } }
  const dry = await site.deploy(links, { mode: 'plan' })
  t.equal(dry.failure, undefined)
  t.strictSame(
    dry.calls.map(([verb]) => verb),
    ['ls-remote'],
  )
  t.strictSame(site.snapshot(), before)
  t.notOk(fs.existsSync(`${site.root}/state`))
  const path = `${site.into}/000001-${commit.slice(0, 8)}`
  t.equal(dry.currentId, `000001-${commit.slice(0, 8)}`, 'later resources see it')
  t.equal(dry.host.readLink(`${path}/var/log`), `${site.shared}/log`)
  t.ok(dry.releases[0]?.complete)
  const real = await site.deploy(links)
  const patches = (one: typeof dry) => one.report.resources.map(({ name, patch }) => ({ name, patch }))
  t.strictSame(patches(real), patches(dry), 'the run makes the planned release')
  t.strictSame((await site.deploy(links, { mode: 'plan' })).report.outcome, 'unchanged')
})

t.test('resolves a short commit after its fetch', async (t) => {
  const site = new GitSite(t)
  const commit = site.commit({ 'a.txt': '1' })
  site.commit({ 'a.txt': '2' })
  const revision = commit.slice(0, 7)
  const dry = await site.deploy({ revision }, { mode: 'plan' })
  t.strictSame(dry.report.resources.map(({ outcome }) => outcome).slice(0, 3), ['planned', 'unknown', 'unknown'])
  const real = await site.deploy({ revision })
  t.equal(real.releases.at(-1)?.commit, commit)
  t.equal(real.currentId, `000001-${commit.slice(0, 8)}`, 'and those who refer to it get it')
  t.strictSame((await site.deploy({ revision })).calls, [], 'then no repository is queried')
  const pinned = await site.deploy({ revision, commit })
  t.equal(pinned.report.outcome, 'unchanged', 'the whole commit is the same release')
})

t.test('refuses an ambiguous short commit, and lists all candidates', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  // Found by trial: commits without files at these two times start with the same seven digits.
  const [one, other] = [13_201, 18_051].map((time) => {
    const author = `T <t@e> ${time} +0000`
    site.gitInput(
      site.repository,
      `commit refs/heads/c${time}\nauthor ${author}\ncommitter ${author}\ndata 1\nx\n`,
      'fast-import',
      '--quiet',
    )
    return site.git(site.repository, 'rev-parse', `c${time}`)
  })
  t.equal(one?.slice(0, 7), other?.slice(0, 7))
  for (const position of ['at the remote', 'in the mirror']) {
    const { failure } = await site.deploy({ revision: '44efebf' })
    t.match(failure?.text, /may be any of 2 commits/, position)
    t.match(failure?.text, `${one} 1970-01-01 x`)
    t.match(failure?.text, `${other} 1970-01-01 x`)
  }
  t.equal((await site.deploy({ revision: one?.slice(0, 12) })).releases.at(-1)?.commit, one)
})

t.test('links shared paths, and removes what the repository has there with purge', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1', 'log/keep': 'x', 'tmp/pids/x': 'x', 'file.txt': 'x', 'ü x/data': 'x' })
  fs.symlinkSync('/tmp', `${site.repository}/out`)
  site.commit({})
  const refused: readonly [object, RegExp][] = [
    [
      { links: { log: 'log' } },
      /directory log, where the release needs a link to .*purge_before_symlink of the app: \["log"\]/s,
    ],
    [{ links: { file: 'file.txt' } }, /file file.txt/],
    [{ links: { file: 'file.txt/x' } }, /file.txt is a file/],
    [{ links: { evil: 'out/evil' } }, /out is a link/],
  ]
  for (const [props, expected] of refused) t.match((await site.deploy(props)).failure?.text, expected)
  t.notOk(fs.existsSync('/tmp/evil'), 'a link of the repository leads nowhere')
  t.strictSame(fs.readdirSync(site.into), [], 'a refused one leaves nothing')

  const props = {
    links: { log: 'log', 'big data': 'var/ü/data', pids: 'tmp/pids' },
    purge: ['log', 'tmp', 'out/x', 'ü x'],
  }
  const { failure } = await site.deploy(props)
  t.equal(failure, undefined)
  t.equal(fs.readlinkSync(`${site.current}/log`), `${site.shared}/log`)
  t.equal(fs.readlinkSync(`${site.current}/var/ü/data`), `${site.shared}/big data`)
  t.equal(fs.readlinkSync(`${site.current}/tmp/pids`), `${site.shared}/pids`)
  t.notOk(fs.existsSync(`${site.current}/ü x`))
  t.equal(site.git(site.current, 'status', '--porcelain'), '', 'git does not take the release for changed')
  t.equal((await site.deploy(props)).report.outcome, 'unchanged')

  site.commit({ '.converge/x': 'x' })
  t.match((await site.deploy(props)).failure?.text, /has a .converge of its own/)
})

t.test('stores a description beside a release', async (t) => {
  const site = new GitSite(t)
  const commit = site.commit({ 'a.txt': '1' })
  await site.deploy({ record: { programs: ['site-client1'] }, by: 'deploy of 1 May' })
  const [release] = site.releases()
  t.match(release, { commit, revision: 'main', by: 'deploy of 1 May', complete: true, current: true, isManaged: true })
  t.strictSame(release?.record, { programs: ['site-client1'] })
  t.ok(Math.abs(Date.parse(release?.created ?? '') - Date.now()) < 60_000)
  t.equal(fs.statSync(`${site.current}/.converge/release.json`).mode & 0o777, 0o600)
})

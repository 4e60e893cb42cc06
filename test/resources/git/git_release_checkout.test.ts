/** Tests the files that git_release checks out: submodules, modes, damaged and large repositories. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import { GitSite } from '../../support/git_site.ts'

const isRoot = process.getuid?.() === 0

t.test('checks out submodules two levels deep', async (t) => {
  const site = new GitSite(t)
  const [inner, outer] = [`${site.root}/lib/inner`, `${site.root}/lib/outer.git`]
  for (const path of [inner, outer]) site.init(path)
  site.commit({ 'i.txt': 'inner 1' }, 'i', inner)
  site.git(outer, 'submodule', 'add', '-q', '../inner', 'deep/in side')
  site.commit({ 'o.txt': 'outer 1' }, 'o', outer)
  site.git(site.repository, 'submodule', 'add', '-q', '--name', 'a name', '../lib/outer.git', 'src/outer')
  site.commit({ 'a.txt': '1' })

  const one = await site.deploy()
  t.equal(one.failure, undefined)
  const at = (path: string) => site.read(`${site.current}/src/outer/${path}`)
  t.strictSame([at('o.txt'), at('deep/in side/i.txt')], ['outer 1', 'inner 1'])
  t.equal(site.git(site.current, 'status', '--porcelain'), '', 'git sees them as they are')
  t.match(site.git(`${site.current}/src/outer/deep/in side`, 'log', '--format=%s'), 'i')
  t.equal((await site.deploy()).report.outcome, 'unchanged')

  await t.test('updates submodules', async (t) => {
    site.commit({ 'i.txt': 'inner 2' }, 'i2', inner)
    site.git(`${outer}/deep/in side`, 'pull', '-q', 'origin', 'main')
    site.commit({ 'o.txt': 'outer 2' }, 'o2', outer)
    site.git(`${site.repository}/src/outer`, 'pull', '-q', 'origin', 'main')
    site.commit({}, 'with the new submodule')
    const two = await site.deploy()
    t.equal(two.failure, undefined)
    t.strictSame([at('o.txt'), at('deep/in side/i.txt')], ['outer 2', 'inner 2'])
    t.equal(site.read(`${site.into}/${one.currentId}/src/outer/o.txt`), 'outer 1')
  })
  await t.test('needs no remote for known commits', async (t) => {
    fs.renameSync(`${site.root}/lib`, `${site.root}/away`)
    const { failure } = await site.deploy({ inputs: { config: 'x' } })
    t.equal(failure, undefined)
    t.equal(at('deep/in side/i.txt'), 'inner 2')
    fs.renameSync(`${site.root}/away`, `${site.root}/lib`)
  })
  await t.test('checks out no submodules if they are not requested', async (t) => {
    const { failure } = await site.deploy({ submodules: false })
    t.equal(failure, undefined)
    t.strictSame(fs.readdirSync(`${site.current}/src/outer`), [])
  })
  await t.test('checks out submodules without their .git', async (t) => {
    const { failure } = await site.deploy({ keepGit: false, inputs: { git: 'no' } })
    t.equal(failure, undefined)
    t.equal(at('deep/in side/i.txt'), 'inner 2')
    t.equal(execFileSync('find', ['-L', site.current, '-name', '.git'], { encoding: 'utf8' }), '')
  })
  await t.test('fails if the commit of a submodule was not pushed', async (t) => {
    site.git(`${site.repository}/src/outer`, 'commit', '-q', '--allow-empty', '-m', 'local')
    const commit = site.git(`${site.repository}/src/outer`, 'rev-parse', 'HEAD')
    site.commit({})
    const before = fs.readdirSync(site.into)
    const { failure } = await site.deploy()
    t.match(failure?.text, `the submodule a name requires ${commit}`)
    t.match(failure?.text, /push that commit/)
    t.strictSame(fs.readdirSync(site.into), before, 'what failed leaves nothing')
  })
})

t.test('refuses a submodule by which a remote repository would read files of this host', async (t) => {
  const { submoduleRemote, createRemote, remoteGit } = await import('../../../resources/git/remote.ts')
  const { LocalHost } = await import('../../../core/host/local.ts')
  const main = createRemote({ repository: 'https://user:word@git.example.com/group/site.git' }, () => undefined)
  const own = submoduleRemote(main, '/srv/private', () => undefined)
  const { options } = remoteGit(new LocalHost('/nowhere'), own, ['ls-remote', own.url])
  t.equal(options.environment?.GIT_ALLOW_PROTOCOL, 'git:http:https:ssh')
  t.notOk(options.environment?.CONVERGE_GIT_PASSWORD, 'nor does another server get the login')
  const relative = submoduleRemote(main, '../other/lib.git', () => undefined)
  t.equal(relative.url, 'https://git.example.com/group/other/lib.git')
  t.strictSame(relative.login, main.login)
})

t.test('keeps names, modes and links of the repository', async (t) => {
  const site = new GitSite(t)
  const names = ['with space', 'ümläut/日本', 'new\nline', '-dash', 'quo\'te"', 'back\\slash', '.hidden', '[glob]*']
  site.commit(Object.fromEntries(names.map((name) => [`${name}.txt`, name])))
  fs.writeFileSync(Buffer.from(`${site.repository}/latin\xff`, 'latin1'), 'bytes')
  fs.writeFileSync(`${site.repository}/run.sh`, '#!/bin/sh\n', { mode: 0o755 })
  fs.symlinkSync('with space.txt', `${site.repository}/link`)
  fs.symlinkSync('/nowhere', `${site.repository}/dangling`)
  site.commit({ '.gitattributes': '*.crlf text eol=crlf\n', 'dos.crlf': 'a\nb\n', 'plain.txt': 'a\r\nb\n' })

  const before = process.umask(0o077)
  t.teardown(() => process.umask(before))
  const { failure } = await site.deploy()
  process.umask(before)
  t.equal(failure, undefined)
  for (const name of names) t.equal(site.read(`${site.current}/${name}.txt`), name)
  t.ok(fs.existsSync(Buffer.from(`${site.current}/latin\xff`, 'latin1')))
  const mode = (path: string) => (fs.lstatSync(`${site.current}/${path}`).mode & 0o7777).toString(8)
  t.strictSame([mode('run.sh'), mode('plain.txt'), mode('ümläut'), mode('.')], ['755', '644', '755', '755'])
  t.equal(fs.readlinkSync(`${site.current}/link`), 'with space.txt')
  t.equal(fs.readlinkSync(`${site.current}/dangling`), '/nowhere')
  t.equal(site.read(`${site.current}/plain.txt`), 'a\r\nb\n')
  t.equal(site.git(site.current, 'status', '--porcelain'), '')
})

t.test('fails for an empty repository, one without HEAD and a missing one', async (t) => {
  const site = new GitSite(t, 'trunk')
  t.match((await site.deploy({ revision: 'HEAD' })).failure?.text, /is empty.*push a commit first/s)
  t.match((await site.deploy({ revision: 'main' })).failure?.text, /is empty/)
  site.commit({ 'a.txt': '1' })
  site.git(site.repository, 'symbolic-ref', 'HEAD', 'refs/heads/gone')
  t.match((await site.deploy({ revision: 'HEAD' })).failure?.text, /HEAD of .* is a branch that is not there.*trunk/s)
  t.match(
    (await site.deploy({ repository: `${site.root}/none` })).failure?.text,
    /cannot list the branches and tags of.*no such repository/s,
  )
})

t.test('git works in a release with history and tags, also after the site has moved', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' }, 'first')
  site.git(site.repository, 'tag', '-a', '1.2', '-m', '1.2')
  site.commit({ 'a.txt': '2' }, 'second')
  await site.deploy({ links: { log: 'log' } })
  const describe = () => site.git(site.current, 'describe', '--dirty', '--tags', '--long')
  t.match(describe(), /^1\.2-1-g[0-9a-f]+$/)
  t.equal(site.git(site.current, 'log', '--format=%s'), 'second\nfirst')
  t.equal(site.git(site.current, 'status', '--porcelain'), '', 'what converge added is no change')
  t.ok(fs.readdirSync(`${site.current}/.git/objects/pack`).length === 0, 'it has no objects of its own')

  fs.renameSync(`${site.root}/site`, `${site.root}/moved`)
  const moved = `${site.root}/moved/releases/${fs.readdirSync(`${site.root}/moved/releases`)[0]}`
  t.equal(site.git(moved, 'log', '--format=%s'), 'second\nfirst')
})

t.test('checks out into a releases directory behind a link', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  fs.mkdirSync(`${site.root}/disk/a/b/releases`, { recursive: true })
  fs.rmdirSync(site.into)
  fs.symlinkSync(`${site.root}/disk/a/b/releases`, site.into)
  t.equal((await site.deploy()).failure, undefined)
  t.equal(site.git(site.current, 'log', '--format=%s'), 'change')
  t.equal((await site.deploy()).report.outcome, 'unchanged')
})

t.test('fails if a path blocks the checkout', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  fs.mkdirSync(`${site.current}/precious`, { recursive: true })
  t.match((await site.deploy()).failure?.text, /real directory/, 'a real directory is refused by the link, no sooner')
  fs.rmSync(site.current, { recursive: true })
  fs.rmSync(site.into, { recursive: true })
  for (const mode of ['plan', 'run'] as const)
    t.match(
      (await site.deploy({}, { mode })).failure?.text,
      /the directory .*releases.* does not exist.*directory\(\)/s,
    )
})

t.test('packs the objects of many fetches without loss', async (t) => {
  const site = new GitSite(t)
  const pack = `${site.shared}/repo.git/objects/pack`
  const lost = site.commit({ 'a.txt': 'lost' })
  await site.deploy({ revision: lost })
  site.git(site.repository, 'commit', '-q', '--amend', '--allow-empty', '-m', 'other')
  await site.deploy()
  for (let n = 0; n < 42; n++) {
    fs.writeFileSync(`${pack}/pack-${String(n).padStart(40, '0')}.pack`, '')
  }
  site.commit({ 'a.txt': '2' })
  const { failure } = await site.deploy()
  t.equal(failure, undefined)
  t.ok(fs.readdirSync(pack).filter((name) => name.endsWith('.idx')).length === 1, 'one pack')
  t.equal(
    site.git(`${site.shared}/repo.git`, 'cat-file', '-t', lost),
    'commit',
    'no branch leads to it, a release does',
  )
})

t.test('runs git as the owner, who need not own the repository', async (t) => {
  const site = new GitSite(t)
  const user = isRoot ? 'nobody' : execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()
  const [uid, gid] = isRoot ? [65_534, 65_534] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  for (const path of [site.into, site.shared]) fs.chownSync(path, uid, gid)
  const lib = `${site.root}/lib`
  site.init(lib)
  site.commit({ 'l.txt': 'lib' }, 'lib', lib)
  site.git(site.repository, 'submodule', 'add', '-q', '../lib', 'lib')
  site.commit({ 'a.txt': '1' })
  const { failure, currentId: current } = await site.deploy({ user, links: { log: 'var/log' } })
  t.equal(failure, undefined)
  const strangers = ['-L', `${site.into}/${current}`, `${site.shared}/repo.git`, '!', '-uid', `${uid}`]
  const found = execFileSync('find', strangers, { encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '')
  t.strictSame(
    found.map((path) => path.replace(/.*\.converge/, '')),
    isRoot ? ['/complete'] : [],
  )
  t.equal((await site.deploy({ user })).failure, undefined)
  if (isRoot)
    t.match((await site.deploy({ inputs: { by: 'root' } })).failure?.text, /belongs to nobody.*chown -R root/s)
})

t.test("ignores the account's configuration and hooks", async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': 'a\nb\n' })
  const home = `${site.root}/home`
  fs.mkdirSync(`${home}/template/hooks`, { recursive: true })
  const hook = `#!/bin/sh\necho ran >> ${site.root}/hooked\n`
  for (const name of ['post-checkout', 'reference-transaction', 'post-index-change'])
    fs.writeFileSync(`${home}/template/hooks/${name}`, hook, { mode: 0o755 })
  fs.writeFileSync(
    `${home}/.gitconfig`,
    `[core]\n autocrlf = true\n hooksPath = ${home}/template/hooks\n[init]\n templateDir = ${home}/template\n[fetch]\n fsckObjects = bad\n`,
  )
  const { LocalHost } = await import('../../../core/host/local.ts')
  const local = new LocalHost(`${site.root}/state`)
  Object.assign(local.self, { home })
  const { failure } = await site.deploy({}, { local })
  t.equal(failure, undefined)
  t.equal(site.read(`${site.current}/a.txt`), 'a\nb\n')
  t.notOk(fs.existsSync(`${site.root}/hooked`))
})

t.test('runs no hooks that the account puts into the mirror or a release', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  t.equal((await site.deploy()).failure, undefined)
  const hooked = `${site.root}/hooked`
  const mirror = `${site.shared}/repo.git`
  const hooks = [`${mirror}/hooks`, `${fs.realpathSync(site.current)}/.git/hooks`]
  for (const path of hooks) {
    fs.mkdirSync(path, { recursive: true })
    for (const name of ['post-checkout', 'reference-transaction', 'post-index-change', 'pre-auto-gc'])
      fs.writeFileSync(`${path}/${name}`, `#!/bin/sh\necho ran >> ${hooked}\n`, { mode: 0o755 })
  }
  site.commit({ 'a.txt': '2' })
  t.equal((await site.deploy()).failure, undefined)
  t.equal(site.read(`${site.current}/a.txt`), '2')
  t.notOk(fs.existsSync(hooked), 'converge runs none of them')
  site.git(mirror, 'update-ref', 'refs/heads/other', site.git(site.repository, 'rev-parse', 'HEAD'))
  t.ok(fs.existsSync(hooked), 'git itself would run them')
})

t.test('checks out 10,000 files', async (t) => {
  const site = new GitSite(t)
  const files = Array.from(
    { length: 10_000 },
    (_, n) => `M 100644 inline d${n % 100}/file ${n}.txt\ndata 5\n${String(n).padStart(5, '0')}\n`,
  )
  const head = 'commit refs/heads/main\ncommitter T <t@e> 0 +0000\ndata 1\nx\n'
  site.gitInput(site.repository, `${head}${files.join('')}`, 'fast-import', '--quiet')
  const { failure } = await site.deploy()
  t.equal(failure, undefined)
  t.equal(site.read(`${site.current}/d42/file 9942.txt`), '09942')
  t.equal((await site.deploy()).report.outcome, 'unchanged')
})

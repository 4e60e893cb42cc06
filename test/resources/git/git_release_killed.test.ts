/** Tests what git_release leaves when it is killed, and how the next run repairs it. */
import * as fs from 'node:fs'
import t from 'tap'
import { awaitCommandsOf } from '../../../core/host/command_guard.ts'
import { seconds } from '../../../core/model/units.ts'
import { GitSite } from '../../support/git_site.ts'

t.test('does not count what killed runs left as a release', async (t) => {
  const site = new GitSite(t)
  const commit = site.commit({ 'a.txt': '1' })
  const short = commit.slice(0, 8)
  fs.mkdirSync(`${site.into}/.000001-${short}.checkout/.git/refs`, { recursive: true })
  fs.writeFileSync(`${site.into}/.000001-${short}.checkout/.git/index.lock`, '')
  fs.mkdirSync(`${site.into}/.000009-${short}.removing/x`, { recursive: true })
  fs.mkdirSync(`${site.shared}/.repo.git.new/objects`, { recursive: true })
  fs.writeFileSync(`${site.shared}/.repo.git.new/config.lock`, '')
  const { failure, currentId: current } = await site.deploy()
  t.equal(failure, undefined)
  t.strictSame(fs.readdirSync(site.into), [current])
  t.strictSame(fs.readdirSync(site.shared), ['repo.git'])

  const mirror = `${site.shared}/repo.git`
  site.commit({ 'a.txt': '2' })
  fs.mkdirSync(`${mirror}/refs/heads/feature`, { recursive: true })
  for (const name of ['converge.fetching', 'packed-refs.lock', 'refs/heads/main.lock', 'refs/heads/feature/x.lock'])
    fs.writeFileSync(`${mirror}/${name}`, '')
  fs.writeFileSync(`${mirror}/objects/pack/tmp_pack_abc`, 'half')
  const next = await site.deploy()
  t.equal(next.failure, undefined)
  t.equal(site.read(`${site.current}/a.txt`), '2')
  t.notOk(fs.existsSync(`${mirror}/objects/pack/tmp_pack_abc`))

  await t.test('creates a missing mirror again', async (t) => {
    fs.rmSync(mirror, { recursive: true })
    t.equal((await site.deploy({ inputs: { a: 'b' } })).failure, undefined)
    t.equal(site.git(site.current, 'log', '-1', '--format=%s'), 'change')
  })
  await t.test('leaves a directory that is not a mirror unchanged', async (t) => {
    fs.rmSync(mirror, { recursive: true })
    fs.mkdirSync(`${mirror}/precious`, { recursive: true })
    t.match((await site.deploy({ inputs: { a: 'c' } })).failure?.text, /is not a git repository.*mv /s)
    t.ok(fs.existsSync(`${mirror}/precious`))
  })
})

t.test('creates a damaged mirror again, with a warning', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '0' })
  t.equal((await site.deploy()).failure, undefined)
  const mirror = `${site.shared}/repo.git`
  const damages: Record<string, (mirror: string) => void> = {
    'an empty HEAD': (path) => fs.writeFileSync(`${path}/HEAD`, ''),
    'a garbled HEAD': (path) => fs.writeFileSync(`${path}/HEAD`, '\0\0\0'),
    'a garbled config': (path) => fs.writeFileSync(`${path}/config`, '[core\n\0'),
    'garbled refs': (path) => fs.writeFileSync(`${path}/packed-refs`, 'garbage\n'),
    'no objects': (path) => fs.rmSync(`${path}/objects`, { recursive: true }),
  }
  for (const [index, [name, damage]] of Object.entries(damages).entries()) {
    damage(mirror)
    site.commit({ 'a.txt': `${index + 1}` })
    const { failure, report } = await site.deploy()
    t.equal(failure, undefined, name)
    t.match(report.warnings.join(), /the mirror .* is damaged and will be rebuilt/, name)
    t.equal(site.read(`${site.current}/a.txt`), `${index + 1}`)
  }
})

t.test('fetches a mirror with damaged or missing objects again, with a warning', async (t) => {
  const site = new GitSite(t)
  const [pack, index] = [/\.pack$/, /\.idx$/]
  const each = (pattern: RegExp, change: (path: string) => void) => {
    const packs = `${site.shared}/repo.git/objects/pack`
    for (const name of fs.readdirSync(packs)) if (pattern.test(name)) change(`${packs}/${name}`)
  }
  const write = (path: string, content: Buffer) => {
    fs.chmodSync(path, 0o644)
    fs.writeFileSync(path, content)
  }
  const half = (path: string) => write(path, fs.readFileSync(path).subarray(0, fs.statSync(path).size / 2))
  const zeros = (path: string) => write(path, Buffer.alloc(fs.statSync(path).size))
  const garbled = (path: string) => {
    const content = fs.readFileSync(path)
    write(path, content.fill(0xa5, 12, content.length - 20))
  }
  const damages: Record<string, () => void> = {
    'no packs': () => each(/./, (path) => fs.rmSync(path)),
    'no pack, but its index': () => each(pack, (path) => fs.rmSync(path)),
    'no index of the pack': () => each(index, (path) => fs.rmSync(path)),
  }
  for (const [kind, change] of Object.entries({
    half,
    zeros,
    garbled,
    empty: (path: string) => write(path, Buffer.of()),
  }))
    for (const pattern of [pack, index]) damages[`${kind} ${pattern.source}`] = () => each(pattern, change)

  const text = (lines: number) => `${'some text, and more of it\n'.repeat(lines)}`
  const first = site.commit({ 'a.txt': text(1), 'deep/b.txt': text(900) })
  t.equal((await site.deploy()).failure, undefined)
  let warned = 0
  for (const [at, [name, damage]] of Object.entries(damages).entries()) {
    damage()
    const inputs = { at: `${at}` }
    // Also the mirror's commit, by its full and its abbreviated name, and a new commit.
    const revision = [first, first.slice(0, 9), 'main'][at % 3] ?? 'main'
    if (revision === 'main') site.commit({ 'a.txt': text(at + 2) })
    const { failure, report } = await site.deploy({ revision, inputs })
    t.equal(failure, undefined, name)
    warned += /the mirror .* is damaged/.test(report.warnings.join()) ? 1 : 0
    t.equal(site.read(`${site.current}/deep/b.txt`), text(900))
    t.equal((await site.deploy({ revision, inputs })).report.outcome, 'unchanged')
    damage()
    const next = await site.deploy({ revision: 'main', inputs: { at: `${at} again` } })
    t.equal(next.failure, undefined, name)
  }
  t.ok(warned > 3, `warned of ${warned}; git itself fetches what is lost where it can`)
})

t.test(
  'keeps the current release complete when killed at any call of git, and the next run completes the work',
  async (t) => {
    const site = new GitSite(t)
    const lib = `${site.root}/lib`
    site.init(lib)
    site.commit({ 'l.txt': '0' }, 'lib', lib)
    site.git(site.repository, 'submodule', 'add', '-q', '../lib', 'lib')
    site.commit({ 'a.txt': '0' })
    const content = () => [site.read(`${site.current}/a.txt`), site.read(`${site.current}/lib/l.txt`)]
    let killed = 0
    for (let call = 1; ; call++) {
      if (!site.deployKilledAt(call)) break
      killed++
      const current = site.releases().find((release) => release.current)
      if (current) t.ok(current.complete, `killed at call ${call}, a complete release is live`)
      await awaitCommandsOf('killed', `${site.root}/state`, seconds(30), () => undefined)
      const { failure, releases } = await site.deploy()
      t.equal(failure, undefined, `killed at call ${call}`)
      t.strictSame(content(), [`${call - 1}`, `${call - 1}`], 'finished')
      t.strictSame(
        fs.readdirSync(site.into),
        releases.map((release) => release.id),
        'no file remains',
      )
      t.equal((await site.deploy()).report.outcome, 'unchanged')
      site.commit({ 'l.txt': `${call}` }, 'lib', lib)
      site.git(`${site.repository}/lib`, 'pull', '-q', 'origin', 'main')
      site.commit({ 'a.txt': `${call}` })
    }
    t.ok(killed >= 12, `${killed} calls`)
  },
)

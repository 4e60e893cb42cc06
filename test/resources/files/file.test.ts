/** Tests file: content, mode and owner of a file, and paths that it refuses. */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { file } from '../../../resources/files/file.ts'
import { recipeFile } from '../../../resources/files/recipe_files.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { contract, patchOf, planOf, run } from '../../support/contract.ts'

const path = '/etc/motd'
const withDeploy = (host: VirtualHost) => {
  host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
  host.given('/etc/group', 'root:x:0:\ndeploy:x:1000:\n')
}
const writes = (host: VirtualHost) => host.changes.filter((change) => change.startsWith('write'))
const odd = '\uFEFFgrün — 日本語 🙂\r\nzweite Zeile\r\n\ttab\0null'

const recipes = t.testdir({ 'motd.txt': 'hello\n' })
const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff, 0xfe])
writeFileSync(`${recipes}/logo.png`, png)
const recipe = pathToFileURL(`${recipes}/web.ts`).href
const motd = recipeFile(recipe, 'motd.txt')
const logo = recipeFile(recipe, './logo.png')

contract(t, file, [
  {
    name: 'creates a file from a text file of the recipe',
    props: { path, source: motd, mode: '0640' },
    changes: ['replace /mode = "0640"', 'replace /content = "hello\\n"', 'replace /kind = "file"'],
    then: (t, host) => t.match([host.readText(path), host.lstat(path)?.mode], ['hello\n', '0640']),
  },
  {
    name: 'creates a file from a binary file of the recipe, byte for byte',
    props: { path, source: logo },
    given: (host) => host.given(path, 'old'),
    changes: [`replace /content = "binary, 7 bytes, sha256 ${logo.sha256}"`],
    then: (t, host) => t.strictSame(host.readBytes(path), png),
  },
  {
    name: 'does nothing if the text file of the recipe is installed',
    props: { path, source: motd },
    given: (host) => host.given(path, 'hello\n'),
    changes: [],
  },
  {
    name: 'fails if the check refuses a binary file of the recipe',
    props: { path, source: logo, verify: { command: ['check', '%{path}'] } },
    given: (host) => host.given('/usr/bin/check', '', '0755').given(path, 'old'),
    host: { commands: () => ({ status: 1, stderr: 'no image' }) },
    fails: /check rejects the new content/,
    then: (t, host) => t.equal(host.readText(path), 'old'),
  },
  {
    name: 'creates a missing file',
    props: { path, content: 'hello\n' },
    changes: ['replace /content = "hello\\n"', 'replace /kind = "file"'],
    then: (t, host) => t.match([host.readText(path), host.lstat(path)], ['hello\n', { mode: '0644', uid: 0 }]),
  },
  {
    name: 'creates a file with mode and owner in one step',
    props: { path, content: 's', mode: '0600', owner: 'deploy', group: 'deploy' },
    given: withDeploy,
    then: (t, host) => {
      t.match(host.lstat(path), { mode: '0600', uid: 1000, gid: 1000 })
      t.strictSame(host.changes.slice(-1), [`write ${path}`])
    },
  },
  {
    name: 'replaces the content, and keeps mode and owner',
    props: { path, content: 'new' },
    given: (host) => {
      withDeploy(host)
      host.given(path, 'old', '0640', 'deploy')
    },
    changes: ['replace /content = "new"'],
    then: (t, host) =>
      t.match([host.readText(path), host.lstat(path)], ['new', { mode: '0640', uid: 1000, gid: 1000 }]),
  },
  {
    name: 'corrects mode and owner, and does not write the content',
    props: { path, content: 'same', mode: '4750', owner: 'deploy' },
    given: (host) => {
      withDeploy(host)
      host.given(path, 'same', '0600')
    },
    changes: ['replace /owner = "deploy"', 'replace /mode = "4750"'],
    then: (t, host) => t.match([writes(host), host.lstat(path)], [[], { mode: '4750', uid: 1000, gid: 0 }]),
  },
  {
    name: 'leaves a correct file unchanged',
    props: { path, content: 'x', mode: '0644' },
    given: (host) => host.given(path, 'x'),
    changes: [],
  },
  {
    name: 'writes an empty content',
    props: { path, content: '' },
    given: (host) => host.given(path, 'x'),
    changes: ['replace /content = ""'],
  },
  {
    name: 'writes any text unchanged',
    props: { path, content: odd },
    then: (t, host) => t.equal(host.readText(path), odd),
  },
  {
    name: 'recognizes any text that it wrote',
    props: { path, content: odd },
    given: (host) => host.given(path, odd),
    changes: [],
  },
  {
    name: 'distinguishes line ends',
    props: { path, content: 'a\n' },
    given: (host) => host.given(path, 'a\r\n'),
    changes: ['replace /content = "a\\n"'],
  },
  {
    name: 'replaces a dangling link, and does not create its target',
    props: { path, content: 'x' },
    given: (host) => host.given(path, { link: '/srv/nowhere' }),
    changes: ['replace /content', 'replace /kind'],
    then: (t, host) => t.match([host.lstat(path)?.kind, host.lstat('/srv/nowhere')], ['file', null]),
  },
  {
    name: 'replaces a link, and leaves its target unchanged',
    props: { path, content: 'x' },
    given: (host) => host.given('/srv/real', 'real').given(path, { link: '/srv/real' }),
    then: (t, host) => t.match([host.lstat(path)?.kind, host.readText('/srv/real')], ['file', 'real']),
  },
  {
    name: 'fails if a directory has its path',
    props: { path, content: 'x' },
    given: (host) => host.given(`${path}/inner`, 'x'),
    fails: /\/etc\/motd is a directory.*mv \/etc\/motd/s,
  },
  {
    name: 'removes a file',
    props: { path, absent: true },
    given: (host) => host.given(path, 'x'),
    changes: ['replace /content = null', 'replace /kind = "absent"'],
    then: (t, host) => t.equal(host.lstat(path), null),
  },
  { name: 'does nothing if the file to remove is missing', props: { path, absent: true }, changes: [] },
  {
    name: 'fails to remove a directory',
    props: { path, absent: true },
    given: (host) => host.given(path, null),
    fails: 'is a directory',
  },
  {
    name: 'fails if its directory does not exist',
    props: { path: '/srv/no/where', content: 'x' },
    fails: /no such file or directory.*declare the directory/s,
  },
  {
    name: 'fails if its directory is a file',
    props: { path: '/srv/f/x', content: 'x' },
    given: (host) => host.given('/srv/f', ''),
    fails: /a part of the path is not a directory/,
  },
  {
    name: 'fails if its owner does not exist',
    props: { path, content: 'x', owner: 'nobody-here' },
    fails: /no account nobody-here.*user\(\)/s,
  },
  {
    name: 'fails if its group does not exist',
    props: { path, content: 'x', group: 'nobody-here' },
    fails: /no group nobody-here.*group\(\)/s,
  },
])

t.test('shows neither the new nor the old content of a sensitive file', async (t) => {
  const host = new VirtualHost()
  host.given('/srv/secret', 'old-content', '0644')
  const plan = planOf((r) => file(r, { path: '/srv/secret', content: 'new-content', mode: '0600', sensitive: true }))
  for (const report of [await run(plan, new VirtualHost({ base: host }), 'plan'), await run(plan, host)]) {
    t.strictSame(patchOf(report), ['replace /mode = "0600"', 'replace /content = "(sensitive)"'])
    t.notMatch(JSON.stringify(report), /old-content|new-content/)
  }
})

t.test('reports a long content by its digest', async (t) => {
  const report = await run(
    planOf((r) => file(r, { path: '/srv/big', content: 'ä'.repeat(5000) })),
    new VirtualHost(),
  )
  t.match(patchOf(report)[0], /^replace \/content = "\(10000 bytes, sha256 [0-9a-f]{64}\)"$/)
})

t.test('a dry run finds a file behind a planned link', async (t) => {
  const plan = planOf((r) => {
    symlink(r, { path: '/srv/current', target: 'releases' })
    file(r, { path: '/srv/current/a', content: 'x' })
    file(r, { path: '/srv/releases/b', content: 'y' })
  })
  const host = new VirtualHost()
  host.given('/srv/releases', null)
  const dry = await run(plan, new VirtualHost({ base: host }), 'plan')
  t.equal(dry.counts.planned, 3)
  await run(plan, host)
  t.equal(host.readText('/srv/releases/a'), 'x')
})

t.test(
  'repairs a damaged file beside its verified copy before other resources run, unless another text was declared',
  async (t) => {
    const [copy, enabled] = ['/etc/nginx/sites-available/shop', '/etc/nginx/sites-enabled/shop']
    const planWith = (content: string) =>
      planOf((r) => {
        file(r, { path: '/srv/other', content })
        file(r, { path: copy, content })
        file(r, { path: enabled, content, verifiedCopy: copy })
      })
    const order: string[] = []
    const host = new VirtualHost({ beforeChange: (_, what) => void order.push(what) })
    for (const directory of ['/srv', '/etc/nginx/sites-available', '/etc/nginx/sites-enabled'])
      host.given(directory, null)
    const firstOf = async (content: string) => {
      order.length = 0
      t.equal((await run(planWith(content), host)).outcome, 'changed')
      t.equal((await run(planWith(content), host)).outcome, 'unchanged')
      return order.find((what) => what.startsWith('write'))
    }
    t.match(await firstOf('one'), 'write /srv/other')
    t.match(await firstOf('two'), 'write /srv/other', 'the text of before is no damage')
    host.writeFile(enabled, 'garbage')
    t.match(await firstOf('two'), `write ${enabled}`)
    host.writeFile(enabled, 'garbage')
    t.match(await firstOf('three'), 'write /srv/other', 'a text that was not verified is not written first')
  },
)

t.test('checks properties before any change', (t) => {
  const wrong = (props: Record<string, unknown>) => () => planOf((r) => file(r, props as never))
  t.throws(wrong({ path: 'etc/motd', content: '' }), { message: /property path: an absolute path .got "etc\/motd"/ })
  t.throws(wrong({ path: '/etc/../motd', content: '' }), { message: /without '\.' or '\.\.'/ })
  t.throws(wrong({ path, content: '', mode: '644' }), { message: /property mode: a mode as four octal digits/ })
  t.throws(wrong({ path }), { message: /content is required unless absent/ })
  t.throws(wrong({ path, content: '', contnt: '' }), {
    message: /file has no property contnt/,
    hint: 'did you mean content?',
  })
  t.end()
})

/** Tests archive: unpacking tar and zip files from servers and from the host, and members that it refuses. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { archive } from '../../../resources/files/archive.ts'
import { file } from '../../../resources/files/file.ts'
import { archivePrograms, packed, programs } from '../../support/commands.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const commands = programs(archivePrograms)
const url = 'https://example.org/eggs.tgz'
const eggs = packed({ 'eggs/a.egg': 'A', 'eggs/sub/b.egg': 'B', 'eggs/link': { link: 'sub/../a.egg' } })
const plain = packed({ 'a.egg': 'A', 'sub/b.egg': 'B', 'sub/up': { link: '../a.egg' } })
const caches = packed({
  'eggs/v5/a.egg': 'A',
  'downloads/theirs': 'D',
  'extends/x.cfg': 'X',
  'var/data': 'theirs',
  'env-1/bin/python': 'theirs',
  'linked/x': 'theirs',
})
const host = { commands, downloads: { [url]: plain } }
const hostOptions = (content: string) => ({ commands, downloads: { [url]: content } })
const into = '/srv/eggs'
const digest = createHash('sha256').update(plain).digest('hex')
const leftovers = (host: VirtualHost) => host.list('/srv').filter((name) => name.includes('converge'))

contract(t, archive, [
  {
    name: 'unpacks to a missing path',
    props: { url, into },
    host,
    changes: ['replace /kind = "filled"'],
    then: (t, host) => {
      t.equal(host.readText('/srv/eggs/sub/up'), 'A')
      t.strictSame(leftovers(host), [], 'no temporary file remains')
    },
  },
  {
    name: 'unpacks into an empty directory, which keeps its mode',
    props: { url, into, sha256: digest.toUpperCase() },
    given: (host) => host.given(into, null, '0770'),
    host,
    changes: ['replace /kind = "filled"'],
    then: (t, host) => t.match([host.lstat(into)?.mode, host.list(into)], ['0770', ['a.egg', 'sub']]),
  },
  {
    name: 'leaves a directory with content alone',
    props: { url: 'http://gone.example/', into },
    given: (host) => host.given('/srv/eggs/mine', 'x'),
    host,
    changes: [],
  },
  {
    name: 'leaves a directory with content alone behind a link',
    props: { url: 'http://gone.example/', into },
    given: (host) => host.given('/mnt/mine', 'x').given(into, { link: '/mnt' }),
    host,
    changes: [],
  },
  {
    name: 'removes the existing content with purge',
    props: { url, into, purge: true },
    given: (host) => host.given('/srv/eggs/mine', 'x'),
    host,
    changes: ['replace /source'],
    then: (t, host) => t.match([host.list(into), leftovers(host)], [['a.egg', 'sub'], []]),
  },
  {
    name: 'unpacks a file of this host without the top directory, owned by another account',
    props: { url: '/var/tmp/eggs.tar', into, strip: 1, owner: 'deploy', group: 'root' },
    given: (host) => {
      host.given('/var/tmp/eggs.tar', packed({ 'eggs/a.egg': 'A', 'eggs/sub/b.egg': 'B', top: 'gone' }))
      host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:0::/home/deploy:/bin/sh\n')
    },
    host,
    then: (t, host) => t.match([host.list(into), host.lstat('/srv/eggs/sub/b.egg')?.uid], [['a.egg', 'sub'], 1000]),
  },
  {
    name: 'unpacks a zip file without the top directory',
    props: {
      url: 'file:///var/tmp/a%20b.zip',
      into,
      strip: 1,
      sha256: createHash('sha256')
        .update(packed({ 'z/a': 'A', 'z/b/c': 'C', top: 'x' }, 'zip'))
        .digest('hex'),
    },
    given: (host) =>
      host.given('/var/tmp/a b.zip', packed({ 'z/a': 'A', 'z/b/c': 'C', top: 'x' }, 'zip')).given('/usr/bin/unzip', ''),
    host,
    then: (t, host) => t.match([host.list(into), host.readText('/srv/eggs/b/c')], [['a', 'b'], 'C']),
  },
  {
    name: 'merge: adds missing and empty entries, and keeps the rest',
    props: { url, into: '/srv/shared', merge: true, except: ['var', 'env*'] },
    given: (host) =>
      host
        .given('/srv/shared/eggs', null, '0770')
        .given('/srv/shared/downloads/mine', 'precious')
        .given('/srv/shared/var/data', 'precious')
        .given('/srv/elsewhere', null)
        .given('/srv/shared/linked', { link: '/srv/elsewhere' }),
    host: hostOptions(caches),
    changes: ['replace /source'],
    then: (t, host) => {
      t.equal(host.readText('/srv/shared/eggs/v5/a.egg'), 'A')
      t.equal(host.lstat('/srv/shared/eggs')?.mode, '0770')
      t.equal(host.readText('/srv/shared/extends/x.cfg'), 'X')
      t.strictSame(host.list('/srv/shared/downloads'), ['mine'])
      t.strictSame(host.list('/srv/shared/var'), ['data'])
      t.strictSame(host.list('/srv/elsewhere'), [])
      t.strictSame(host.list('/srv/shared'), ['downloads', 'eggs', 'extends', 'linked', 'var'], 'no env, nothing left')
    },
  },
  {
    name: 'merge with purge: replaces entries of the archive, and removes nothing else',
    props: { url, into: '/srv/shared', merge: true, purge: true, except: ['var', 'env*'] },
    given: (host) =>
      host
        .given('/srv/shared/eggs/old', 'old')
        .given('/srv/shared/var/data', 'precious')
        .given('/srv/shared/media/mine', 'precious'),
    host: hostOptions(caches),
    then: (t, host) => {
      t.strictSame(host.list('/srv/shared/eggs'), ['v5'])
      t.strictSame(host.list('/srv/shared/media'), ['mine'])
      t.strictSame(host.list('/srv/shared/var'), ['data'])
      t.strictSame(host.list('/srv/shared'), ['downloads', 'eggs', 'extends', 'linked', 'media', 'var'])
    },
  },
  {
    name: 'fails if a download has another digest',
    props: { url, into, sha256: '0'.repeat(64) },
    host,
    fails: /has the sha256 [0-9a-f]{64}, not 0000/,
  },
  {
    name: 'fails if a file of this host has another digest',
    props: { url: '/a.tar', into, sha256: '0'.repeat(64) },
    given: (host) => host.given('/a.tar', plain),
    host,
    fails: /has the sha256 [0-9a-f]{64}, not 0000.*change sha256 only/s,
  },
  {
    name: 'fails if the server does not have the file',
    props: { url: 'http://gone.example/x', into },
    host,
    fails: /answered 404/,
  },
  {
    name: 'fails if this host does not have the file',
    props: { url: '/gone.tar', into },
    host,
    fails: /no archive \/gone\.tar/,
  },
  {
    name: 'fails if the server sends a page instead of an archive',
    props: { url, into },
    host: hostOptions('<html>'),
    fails: /cannot be unpacked.*the file is incomplete.*tar archive/s,
  },
  {
    name: 'fails for a zip file if unzip is not installed',
    props: { url, into },
    host: hostOptions(packed({}, 'zip')),
    fails: /unzip is missing.*apt-get install unzip/s,
  },
  {
    name: 'refuses a member above the directory',
    props: { url, into },
    host: hostOptions(packed({ '../x': '' })),
    fails: /would leave.*from a source that you trust.*Member name contains/s,
  },
  {
    name: 'refuses a member with an absolute path',
    props: { url, into },
    host: hostOptions(packed({ '/etc/x': '' })),
    fails: /would leave.*from a source that you trust/s,
  },
  {
    name: 'refuses a member above the directory in a zip file',
    props: { url, into },
    given: (host) => host.given('/usr/bin/unzip', ''),
    host: hostOptions(packed({ '../x': '' }, 'zip')),
    fails: /would leave/,
  },
  {
    name: 'refuses a link with an absolute target',
    props: { url, into },
    host: hostOptions(packed({ 'a/b': { link: '/etc' } })),
    fails: /would leave.*a\/b is a link to \/etc/s,
  },
  {
    name: 'refuses a link that leads out of the directory',
    props: { url, into },
    host: hostOptions(packed({ 'a/b': { link: '../../x' } })),
    fails: /would leave.*a link to \.\.\/\.\.\/x/s,
  },
  {
    name: 'refuses a link that leads out through a lower directory',
    props: { url, into },
    host: hostOptions(eggs),
    fails: /would leave/,
  },
  {
    name: 'fails if a file has its path',
    props: { url, into },
    given: (host) => host.given(into, 'x'),
    host,
    fails: /is a file, but a directory/,
  },
  {
    name: 'fails if a link has its path',
    props: { url, into, purge: true },
    given: (host) => host.given('/mnt/x', 'x').given(into, { link: '/mnt' }),
    host,
    fails: /is a link.*the directory that the link points to/s,
  },
  {
    name: 'fails if the parent directory does not exist',
    props: { url, into: '/srv/a/b' },
    host,
    fails: /directory \/srv\/a does not exist.*directory\(\)/s,
  },
])

t.test('purge: fetches again only when URL, digest or cause change', async (t) => {
  const other = 'https://example.org/more.tgz'
  const host = new VirtualHost({ commands, downloads: { [url]: plain, [other]: packed({ new: 'N' }) } })
  const downloads = async (from: string, sha256?: string, release = '1') => {
    const before = host.changes.length
    const plan = planOf((r) => {
      const current = file(r, { path: '/srv/release', content: release })
      archive(r, { url: from, into, purge: true, sha256, when: [current] })
    })
    t.equal(failureOf(await run(plan, host)), undefined)
    return host.changes.slice(before).filter((change) => change === 'write /srv/.eggs.converge-archive').length
  }
  t.equal(await downloads(url), 1)
  t.equal(await downloads(url), 0)
  t.equal(await downloads(other), 1)
  t.strictSame(host.list(into), ['new'])
  t.equal(await downloads(url, digest), 1)
  t.equal(await downloads(url, digest), 0)
  t.equal(await downloads(url, digest, '2'), 1)
})

t.test('merge: unpacks again if an added entry is removed, or the archive is another one', async (t) => {
  const other = 'https://example.org/more.tgz'
  const host = new VirtualHost({ commands, downloads: { [url]: caches, [other]: packed({ 'media/a': 'A' }) } })
  host.given('/srv/shared/var/data', 'mine')
  const outcome = async (from: string) => {
    const report = await run(
      planOf((r) => archive(r, { url: from, into: '/srv/shared', merge: true, except: ['var', 'env*'] })),
      host,
    )
    t.equal(failureOf(report), undefined)
    return report.outcome
  }
  t.equal(await outcome(url), 'changed')
  t.equal(await outcome(url), 'unchanged')
  host.remove('/srv/shared/eggs/v5')
  t.equal(await outcome(url), 'changed')
  t.equal(host.readText('/srv/shared/eggs/v5/a.egg'), 'A')
  t.equal(await outcome(other), 'changed')
  t.equal(await outcome(url), 'unchanged', 'each of them is counted separately')
  t.equal(host.readText('/srv/shared/media/a'), 'A')
})

t.test('sends a password with a percent sign in the URL', async (t) => {
  const report = await run(
    planOf((r) => archive(r, { url: 'https://ann:50%off@gone.example/x.tgz', into })),
    new VirtualHost(host),
  )
  t.match(failureOf(report), { code: 'DOWNLOAD_FAILED' })
  t.notMatch(JSON.stringify(report), '50%off')
})

t.test('a failed unpack leaves the existing entries, and no temporary file', async (t) => {
  const host = new VirtualHost(hostOptions(packed({ a: 'A', '../x': '' })))
  host.given('/srv/eggs/mine', 'x')
  const report = await run(
    planOf((r) => archive(r, { url, into, purge: true })),
    host,
  )
  t.match(failureOf(report), { code: 'UNSAFE_ARCHIVE' })
  t.strictSame([host.list(into), leftovers(host)], [['mine'], []])
})

t.test('shows no password, wherever it was given', async (t) => {
  for (const props of [
    { url: 'https://ann:s3cretword@gone.example/x.tgz', into },
    { url: 'https://gone.example/s3cretword/x.tgz', user: 'ann', password: 's3cretword', into },
  ]) {
    const report = await run(
      planOf((r) => archive(r, props)),
      new VirtualHost(host),
    )
    t.match(failureOf(report), { code: 'DOWNLOAD_FAILED' })
    t.notMatch(JSON.stringify(report), 's3cretword')
  }
})

t.test('a dry run does not know the unpacked files', async (t) => {
  const plan = planOf((r) => {
    archive(r, { url, into })
    file(r, { path: '/srv/eggs/a.egg', content: 'mine' })
  })
  const report = await run(plan, new VirtualHost({ base: new VirtualHost(host) }), 'plan')
  t.match(report.resources, [{ outcome: 'planned' }, { outcome: 'unknown', reason: '(known after archive /srv/eggs)' }])
})

/** Tests releases of repositories with Git LFS or other filters: a release has the real files, or the deploy fails. */
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { GitSite } from '../support/git_site.ts'
import { needs } from '../support/machine.ts'

const attributes = '*.bin filter=lfs diff=lfs merge=lfs -text\n'
const content = 'not a pointer\n'.repeat(500)

function lfsSite(t: Test): GitSite {
  const site = new GitSite(t)
  useLfs(site, site.repository)
  return site
}

function useLfs(site: GitSite, repository: string): void {
  for (const [key, value] of [
    ['clean', 'git-lfs clean -- %f'],
    ['smudge', 'git-lfs smudge -- %f'],
    ['required', 'true'],
  ] as const)
    site.git(repository, 'config', `filter.lfs.${key}`, value)
}

/** Makes a PATH with all programs of this one except git-lfs. */
function pathWithoutLfs(site: GitSite): string {
  const directory = `${site.root}/programs`
  fs.mkdirSync(directory)
  for (const from of ['/usr/bin', '/bin'])
    for (const name of fs.readdirSync(from))
      if (name !== 'git-lfs' && !fs.existsSync(`${directory}/${name}`))
        fs.symlinkSync(`${from}/${name}`, `${directory}/${name}`)
  return `${site.root}/bin:${directory}`
}

t.test('Git LFS from a repository on this host', async (t) => {
  if (!needs(t, ['git-lfs'])) return
  const site = lfsSite(t)
  site.commit({
    '.gitattributes': attributes,
    'a.bin': content,
    'deep/b.bin': `b${content}`,
    'c.txt': 'c',
  })
  const one = await site.deploy({ repository: `file://${site.repository}` })
  t.equal(one.failure, undefined)
  const read = (path: string) => site.read(`${site.current}/${path}`)
  t.strictSame([read('a.bin'), read('deep/b.bin'), read('c.txt')], [content, `b${content}`, 'c'])
  t.ok(fs.existsSync(`${site.shared}/repo.git/lfs/objects`), 'all releases share one store')
  t.equal((await site.deploy({ repository: `file://${site.repository}` })).report.outcome, 'unchanged')

  await t.test('reads a path, and files that the settings of the repository skip', async (t) => {
    site.commit({ 'a.bin': `2${content}`, '.lfsconfig': '[lfs]\n\tfetchexclude = *.bin\n' })
    t.equal((await site.deploy()).failure, undefined)
    t.equal(read('a.bin'), `2${content}`)
  })
  await t.test('needs no remote for files in the mirror', async (t) => {
    fs.renameSync(`${site.repository}/.git/lfs`, `${site.root}/lfs`)
    t.equal((await site.deploy({ inputs: { a: 'b' } })).failure, undefined)
    t.equal(read('a.bin'), `2${content}`)
    fs.rmSync(`${site.shared}/repo.git/lfs`, { recursive: true })
    const before = fs.readdirSync(site.into)
    const { failure } = await site.deploy({ inputs: { a: 'c' } })
    t.match(failure?.text, /cannot fetch the Git LFS files of .*git lfs push --all/s)
    t.match(
      (await site.deploy({ inputs: { a: 'c' }, pin: 'current' })).failure?.text,
      /are not on this host.*run a deploy/s,
    )
    t.strictSame(fs.readdirSync(site.into), before, 'a failed checkout leaves nothing')
    fs.rmSync(`${site.repository}/.git/lfs`, { recursive: true })
    fs.renameSync(`${site.root}/lfs`, `${site.repository}/.git/lfs`)
  })
  await t.test('reports missing git-lfs', async (t) => {
    const path = process.env.PATH
    t.teardown(() => {
      process.env.PATH = path
    })
    process.env.PATH = pathWithoutLfs(site)
    const current = fs.readlinkSync(site.current)
    const { failure } = await site.deploy({ inputs: { a: 'd' } })
    t.match(
      failure?.text,
      /git-lfs is not installed, and Git LFS stores a\.bin, deep\/b\.bin.*apt-get install git-lfs/s,
    )
    t.equal(fs.readlinkSync(site.current), current)
    t.equal((await site.deploy({ inputs: { a: 'b' } })).report.outcome, 'unchanged', 'a release that exists needs none')
  })
})

t.test('reads Git LFS in a submodule', async (t) => {
  if (!needs(t, ['git-lfs'])) return
  const site = new GitSite(t)
  const library = `${site.root}/library`
  site.init(library)
  useLfs(site, library)
  site.commit({ '.gitattributes': attributes, 'a.bin': content }, 'library', library)
  // Without filters, git clones the pointer, which suffices to commit the submodule.
  site.git(site.repository, 'submodule', 'add', '-q', library, 'lib')
  site.commit({ 'a.txt': '1' })
  t.equal((await site.deploy()).failure, undefined)
  t.equal(site.read(`${site.current}/lib/a.bin`), content)
})

t.test('reads Git LFS over http, with the login of the repository', async (t) => {
  if (!needs(t, ['git-lfs'])) return
  const site = lfsSite(t)
  site.commit({ '.gitattributes': attributes, 'a.bin': content })
  site.git(site.repository, 'update-server-info')
  const server = createServer((request, response) => {
    const expected = `Basic ${Buffer.from('deploy:pass-word-1').toString('base64')}`
    const path = new URL(request.url ?? '/', 'http://x').pathname.replace('/site.git', '')
    if (request.headers.authorization !== expected)
      return response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end()
    if (path === '/info/lfs/objects/batch') {
      let text = ''
      request.on('data', (part) => (text += part))
      return request.on('end', () => {
        const objects = (JSON.parse(text) as { objects: { oid: string; size: number }[] }).objects.map((one) => ({
          ...one,
          authenticated: true,
          actions: {
            download: {
              href: `http://${host}/lfs/objects/${one.oid.slice(0, 2)}/${one.oid.slice(2, 4)}/${one.oid}`,
              header: { Authorization: expected },
            },
          },
        }))
        response.writeHead(200, { 'Content-Type': 'application/vnd.git-lfs+json' })
        response.end(JSON.stringify({ transfer: 'basic', objects }))
      })
    }
    const file = `${site.repository}/.git${path}`
    if (!fs.existsSync(file)) return response.writeHead(404).end()
    return response.end(fs.readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const { failure, report } = await site.deploy({ repository: `http://deploy:pass-word-1@${host}/site.git` })
  t.equal(failure, undefined)
  t.equal(site.read(`${site.current}/a.bin`), content)
  t.notMatch(JSON.stringify(report), 'pass-word-1')
  t.notMatch(site.read(`${site.current}/.git/config`), 'pass-word-1')
})

t.test('reports other filters', async (t) => {
  const site = new GitSite(t)
  const [system, wrapper] = [`${site.root}/gitconfig`, `${site.root}/bin/git`]
  fs.writeFileSync(wrapper, site.read(wrapper).replace('\nexec ', `\nGIT_CONFIG_SYSTEM=${system} exec `))
  /** Deploys with this text as /etc/gitconfig; the account's own file is ignored. */
  const deploy = async (config: string) => {
    fs.writeFileSync(system, config)
    return (await site.deploy()).failure?.text
  }
  site.commit({
    'docs/.gitattributes': '*.txt filter=secret\n*.md filter\n*.rst -filter\n',
    'docs/a.txt': 'plain',
    'docs/b.md': 'b',
    'docs/c.rst': 'c',
    'd.txt': 'd',
  })
  const none = await deploy('')
  t.match(none, /git has no filter "secret" on this host.* docs\/a\.txt\n.*git config --system filter\.secret\.smudge/s)
  t.notMatch(none, /b\.md|c\.rst|d\.txt/)
  // Without `required`, git itself would check out the unfiltered file and succeed.
  for (const kind of ['smudge', 'process'])
    t.match(
      await deploy(`[filter "secret"]\n\t${kind} = no-such-program\n`),
      /the git filter "secret" failed; it converts docs\/a\.txt\n.*no-such-program/s,
    )
  t.strictSame(fs.readdirSync(site.into), [], 'a failed checkout leaves nothing')
  t.equal(await deploy('[filter "secret"]\n\tsmudge = tr a-z A-Z\n'), undefined)
  t.strictSame([site.read(`${site.current}/docs/a.txt`), site.read(`${site.current}/d.txt`)], ['PLAIN', 'd'])

  site.commit({ 'docs/a.txt': 'second' })
  t.equal(await deploy('[filter "secret"]\n\tclean = cat\n'), undefined, 'a filter for commits only')
  t.equal(site.read(`${site.current}/docs/a.txt`), 'second')
})

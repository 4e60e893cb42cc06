/** Tests git_release by the contract of resources, and with directories as the source. */
import * as fs from 'node:fs'
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { git_release } from '../../../resources/git/git_release.ts'
import { contract } from '../../support/contract.ts'
import type { GitReleaseProps } from '../../support/git_site.ts'
import { GitSite } from '../../support/git_site.ts'

const [main, tag] = ['1a2b3c4d'.repeat(5), 'feedbeef'.repeat(5)]

/** Imitates the git calls of a deploy: queries of the mirror, and the files of a checkout. */
const git: CommandHandler = (argv, { user }, host) => {
  if (argv[0] === 'sync') return {}
  const words = argv.slice(argv.indexOf('git') + 1).filter((word, at, all) => word !== '-c' && all[at - 1] !== '-c')
  const after = (name: string) => words[words.indexOf(name) + 1] ?? ''
  const mirror = words.find((word) => word.startsWith('--git-dir='))?.slice(10) ?? ''
  const verb = words.find((word) => /^[a-z-]+$/.test(word) && !word.startsWith('-'))
  if (verb === 'ls-remote')
    return { stdout: `${main}\trefs/heads/main\n${tag}\trefs/tags/v1\n${main}\trefs/tags/v1^{}\n` }
  if (verb === 'cat-file') return { status: host.stat(`${mirror}/objects/pack/all.pack`) === null ? 128 : 0 }
  if (verb === 'for-each-ref' || verb === 'ls-tree') return {}
  if (verb === 'fetch') host.given(`${mirror}/objects/pack/all.pack`, 'x')
  else if (verb === 'checkout')
    host.given(`${after('-C')}/buildout.cfg`, '[buildout]\n').given(`${after('-C')}/log/keep`, '')
  else if (verb === 'init') {
    const path = words.at(-1) ?? ''
    const at = words.includes('--bare') ? path : `${path}/.git`
    if (host.lstat(at) === null) host.makeDirectory(at, { owner: user })
    host.given(`${at}/HEAD`, 'ref: refs/heads/main\n').given(`${at}/objects/pack`, null).given(`${at}/refs`, null)
  } else if (verb === 'ls-files') return { stdout: 'log/keep\0' }
  else if (verb !== 'update-index') return null
  return {}
}

const base: GitReleaseProps = {
  into: '/srv/site/releases',
  shared: '/srv/site/shared',
  current: '/srv/site/current',
  repository: 'https://git.example.com/site.git',
  revision: 'main',
}
const site = (host: VirtualHost) => host.given('/srv/site/releases', null).given('/srv/site/shared', null)
const first = '/srv/site/releases/000001-1a2b3c4d'

contract(t, git_release, [
  {
    name: 'releases a branch, with links and purge',
    props: { ...base, links: { log: 'log', blobs: 'var/blobs' }, purge: ['log'] },
    given: site,
    host: { commands: git },
    then: (t, host) => {
      t.equal(host.readText(`${first}/buildout.cfg`), '[buildout]\n')
      t.equal(host.readLink(`${first}/log`), '/srv/site/shared/log')
      t.equal(host.readLink(`${first}/var/blobs`), '/srv/site/shared/blobs')
      t.match(JSON.parse(host.readText(`${first}/.converge/release.json`) ?? ''), { commit: main, revision: 'main' })
      t.equal(host.lstat(`${first}/.converge/release.json`)?.mode, '0600')
      t.strictSame(host.list('/srv/site/releases'), ['000001-1a2b3c4d'])
      t.strictSame(host.list('/srv/site/shared'), ['repo.git'])
    },
  },
  {
    name: 'releases an annotated tag as another account',
    props: { ...base, revision: 'v1', user: 'deploy' },
    given: (host) =>
      site(host)
        .given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:7:8::/home/deploy:/bin/sh\n')
        .given('/etc/group', 'root:x:0:\nweb:x:8:\n'),
    host: { commands: git },
    then: (t, host) => {
      t.match(host.lstat(`${first}/.converge/release.json`), { uid: 7, gid: 8 })
      t.match(host.lstat(first), { uid: 7, gid: 8, mode: '0755' })
    },
  },
  {
    name: 'releases a directory',
    props: { ...base, repository: '/home/me/site', scmType: 'directory', purge: ['tmp'], links: { log: 'log' } },
    given: (host) =>
      site(host)
        .given('/home/me/site/.git/HEAD', 'x')
        .given('/home/me/site/src/.git/HEAD', 'x')
        .given('/home/me/site/src/run.sh', '#!/bin/sh\n', '0755')
        .given('/home/me/site/src/empty', null, '0700')
        .given('/home/me/site/locked', null, '0555')
        .given('/home/me/site/locked/ü x.txt', 'text', '0444')
        .given('/home/me/site/tmp/pids', 'x')
        .given('/home/me/site/link', { link: 'src/run.sh' }),
    then: (t, host) => {
      const [id] = host.list('/srv/site/releases')
      const at = `/srv/site/releases/${id}`
      t.strictSame(host.list(at), ['.converge', 'link', 'locked', 'log', 'src'])
      t.strictSame(host.list(`${at}/src`), ['empty', 'run.sh'])
      t.match(host.lstat(`${at}/src/run.sh`), { mode: '0755' })
      t.match(host.lstat(`${at}/locked`), { mode: '0555' })
      t.match(host.lstat(`${at}/locked/ü x.txt`), { mode: '0444' })
      t.equal(host.readLink(`${at}/link`), 'src/run.sh')
    },
  },
  {
    name: 'fails if the source directory does not exist',
    props: { ...base, repository: '/home/me/site', scmType: 'directory' },
    given: site,
    fails: /directory \/home\/me\/site does not exist/,
  },
  {
    name: 'fails if the source directory contains its own releases',
    props: { ...base, repository: '/srv/site', scmType: 'directory' },
    given: site,
    fails: /cannot be copied into itself/,
  },
  {
    name: 'fails if the releases directory does not exist',
    props: base,
    given: (host) => host.given('/srv/site/shared', null),
    host: { commands: git },
    fails: /directory \/srv\/site\/releases does not exist.*directory\(\)/s,
  },
  {
    name: 'fails if git is not installed',
    props: base,
    given: site,
    fails: /git is not installed.*apt-get install git/s,
  },
])

t.test('releases a directory of the real host again after a change, and refuses to pin', async (t) => {
  const site = new GitSite(t)
  const source = `${site.root}/work`
  const props = { scmType: 'directory', repository: source } as const
  fs.mkdirSync(`${source}/src`, { recursive: true })
  fs.writeFileSync(`${source}/src/a.py`, '1')
  fs.symlinkSync('src/a.py', `${source}/link`)
  const one = await site.deploy(props)
  t.equal(one.failure, undefined)
  t.equal(site.read(`${site.current}/link`), '1')
  t.strictSame(one.calls, [], 'without git')
  const before = site.snapshot()
  t.equal((await site.deploy(props)).report.outcome, 'unchanged')
  t.strictSame(site.snapshot(), before)

  fs.chmodSync(`${source}/src/a.py`, 0o755)
  const two = await site.deploy(props)
  t.equal(two.currentId?.slice(0, 6), '000002', 'a mode is a change')
  fs.writeFileSync(`${source}/src/b.py`, '1')
  const dry = await site.deploy(props, { mode: 'plan' })
  t.equal(dry.host.readText(`${site.into}/${dry.currentId}/src/b.py`), '1', 'a dry run sees the files')
  t.equal((await site.deploy({ ...props, pin: 'current' })).report.outcome, 'unchanged')
  const pinned = await site.deploy({ ...props, pin: 'current', inputs: { a: 'b' } })
  t.match(pinned.failure?.text, /has changed since the run read it.*run a deploy/s)
})

t.test('writes placeholders for a release without a host', async (t) => {
  const { implementation } = git_release.definition
  t.strictSame(implementation.placeholders?.(base), {
    path: '/srv/site/releases/<release>',
    id: '<release>',
    commit: '<commit>',
    identity: '<identity>',
  })
})

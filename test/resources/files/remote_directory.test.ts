/** Tests remote_directory: installing a directory of a recipe with all its files. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { recipeDirectory } from '../../../resources/files/recipe_files.ts'
import { remote_directory } from '../../../resources/files/remote_directory.ts'
import { contract } from '../../support/contract.ts'

const recipes = t.testdir({
  shop: { 'a.conf': 'a\n', sub: { 'b.conf': 'b\n', deep: { run: '#!/bin/sh\n' } } },
  linked: { more: 'more\n' },
})
chmodSync(`${recipes}/shop/sub/deep/run`, 0o755)
writeFileSync(`${recipes}/shop/logo.png`, Buffer.from([0x89, 0x50, 0, 0xff]))
mkdirSync(`${recipes}/shop/empty`)
symlinkSync('../linked', `${recipes}/shop/link`)
// A circle of links ends.
symlinkSync('..', `${recipes}/shop/sub/up`)

const source = recipeDirectory(pathToFileURL(`${recipes}/web.ts`).href, 'shop')
const path = '/srv/shop'
const complete = (host: VirtualHost) => {
  host.given(path, null).given(`${path}/sub`, null).given(`${path}/sub/deep`, null).given(`${path}/link`, null)
  host.given(`${path}/a.conf`, 'a\n').given(`${path}/sub/b.conf`, 'b\n').given(`${path}/link/more`, 'more\n')
  host.given(`${path}/sub/deep/run`, '#!/bin/sh\n', '0755')
  host.given(`${path}/logo.png`, Buffer.from([0x89, 0x50, 0, 0xff]))
}

t.test("lists the files of a recipe's directory, through links, without empty directories", async (t) => {
  t.strictSame(Object.keys(source.files), ['a.conf', 'link/more', 'logo.png', 'sub/b.conf', 'sub/deep/run'])
  t.strictSame(
    Object.values(source.files).map(({ executable }) => executable),
    [false, false, false, false, true],
  )
})

t.test('names a file of the recipe that cannot be read', async (t) => {
  const directory = t.testdir({ shop: { sub: {} } })
  const from = pathToFileURL(`${directory}/web.ts`).href
  symlinkSync('nothing', `${directory}/shop/sub/link`)
  t.throws(() => recipeDirectory(from, 'shop'), {
    code: 'NO_FILE',
    message: `cannot read ${directory}/shop/sub/link of the recipe: no such file or directory`,
  })
  t.throws(() => recipeDirectory(from, 'gone'), {
    code: 'NO_FILE',
    message: `cannot read the directory ${directory}/gone of the recipe: no such file or directory`,
  })
})

contract(t, remote_directory, [
  {
    name: 'creates the directory with all its files',
    props: { path, source },
    given: (host) => host.given('/srv', null),
    then(t, host) {
      t.strictSame(host.list(path), ['a.conf', 'link', 'logo.png', 'sub'])
      t.strictSame(host.readBytes(`${path}/logo.png`), Buffer.from([0x89, 0x50, 0, 0xff]))
      t.equal(host.readText(`${path}/sub/b.conf`), 'b\n')
      const modes = ['', '/a.conf', '/sub/deep', '/sub/deep/run'].map((name) => host.lstat(`${path}${name}`)?.mode)
      t.strictSame(modes, ['0755', '0644', '0755', '0755'])
    },
  },
  { name: 'leaves a complete directory alone', props: { path, source, purge: true }, given: complete, changes: [] },
  {
    name: 'replaces only files that differ',
    props: { path, source },
    given: (host) => {
      complete(host)
      host.given(`${path}/sub/b.conf`, 'other\n').given(`${path}/own`, 'mine')
    },
    changes: [`replace /files/sub~1b.conf/sha256 = "${source.files['sub/b.conf']?.sha256}"`],
    then: (t, host) =>
      t.strictSame([host.readText(`${path}/sub/b.conf`), host.readText(`${path}/own`)], ['b\n', 'mine']),
  },
  {
    name: 'removes files that the recipe does not have with purge',
    props: { path, source, purge: true },
    given: (host) => {
      complete(host)
      host.given(`${path}/own`, 'mine').given(`${path}/sub/old`, null).given(`${path}/sub/old/x`, '')
      host.given(`${path}/sub/away`, { link: '/etc' }).given('/etc', null).given('/etc/kept', '')
    },
    changes: ['remove /surplus/2', 'remove /surplus/1', 'remove /surplus/0'],
    then(t, host) {
      t.strictSame(
        [host.list(path), host.list(`${path}/sub`)],
        [
          ['a.conf', 'link', 'logo.png', 'sub'],
          ['b.conf', 'deep'],
        ],
      )
      t.strictSame(host.list('/etc').includes('kept'), true)
    },
  },
  {
    name: 'corrects mode and owner',
    props: { path, source, mode: '0600', directoryMode: '0700', owner: 'deploy' },
    given: (host) => {
      complete(host)
      host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1001:1001::/home/deploy:/bin/sh\n')
    },
    then(t, host) {
      for (const [name, mode] of [
        ['', '0700'],
        ['/sub', '0700'],
        ['/sub/b.conf', '0600'],
      ])
        t.match(host.lstat(`${path}${name}`), { mode, uid: 1001 })
    },
  },
  {
    name: 'replaces a link by a file of the recipe',
    props: { path, source },
    given: (host) => {
      complete(host)
      host.given(`${path}/a.conf`, { link: '/etc/shadow' })
    },
    then: (t, host) => t.equal(host.lstat(`${path}/a.conf`)?.kind, 'file'),
  },
  {
    name: 'fails if a directory is in the place of a file',
    props: { path, source },
    given: (host) => host.given('/srv', null).given(path, null).given(`${path}/a.conf`, null),
    fails: /a\.conf is a directory, but a file was declared/,
  },
  {
    name: 'fails if a link is on the path of a file',
    props: { path, source, purge: true },
    given: (host) => host.given('/srv', null).given(path, { link: '/etc' }).given('/etc', null),
    fails: /\/srv\/shop is a link.*, but a directory was declared/,
  },
])

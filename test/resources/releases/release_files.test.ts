/** Tests release_files: files that converge writes into a release before its build. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { release_files } from '../../../resources/releases/release_files.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const release = '/srv/site/releases/000001-1a2b3c4d'
const realm = `${release}/run/etc/realm.properties`
const props = { release, files: { 'run/etc/realm.properties': 'admin: one\n' } }
const given = (host: VirtualHost) => host.given(`${release}/.converge/release.json`, '{}')

contract(t, release_files, [
  {
    name: 'writes a file and its directories',
    props: { ...props, owner: 'deploy', group: 'web' },
    given: (host) =>
      void given(host)
        .given('/etc/passwd', 'root:x:0:0::/:/bin/sh\ndeploy:x:7:7::/:/bin/sh\n')
        .given('/etc/group', 'root:x:0:\nweb:x:8:\n'),
    changes: ['replace /files/run~1etc~1realm.properties = "admin: one\\n"'],
    then(t, host) {
      t.equal(host.readText(realm), 'admin: one\n')
      t.match(host.lstat(realm), { uid: 7, gid: 8, mode: '0640' })
      t.match(host.lstat(`${release}/run/etc`), { uid: 7, gid: 8, mode: '0755' })
    },
  },
  {
    name: 'replaces content after an interrupted build',
    props,
    given: (host) => void given(host).given(realm, 'admin: half'),
    then: (t, host) => t.equal(host.readText(realm), 'admin: one\n'),
  },
  {
    name: 'leaves the files of a built release unchanged',
    props,
    given: (host) => void given(host).given(realm, 'admin: other').given(`${release}/.converge/built`, ''),
    changes: [],
    then: (t, host) => t.equal(host.readText(realm), 'admin: other'),
  },
])

t.test('reports which files differ from those of the current release', async (t) => {
  const host = new VirtualHost()
  given(host)
  const current = '/srv/site/current'
  const files = { 'etc/a': '1\n', 'etc/b': '2\n', 'etc/c': '3\n' }
  host.given('/srv/site/releases/0/etc/a', '1\n').given('/srv/site/releases/0/etc/b', 'old\n')
  const words = async (host: VirtualHost) => {
    const report = await run(
      planOf((r) => void release_files(r, { release, files, current, sensitive: true })),
      new VirtualHost({ base: host }),
      'plan',
    )
    return report.resources[0]?.words
  }
  t.equal(await words(host), 'write etc/a, etc/b, etc/c', 'the first release')
  host.replaceLink(current, 'releases/0')
  t.equal(
    await words(host),
    'write etc/a (as in the current release), etc/b (differs from the current release), etc/c (not in the current release)',
  )
})

for (const path of ['/etc/passwd', '../x', 'run/../../x', '.git/hooks/pre-commit', '.converge/complete', 'a\0b', ''])
  t.throws(() => release_files.definition.props.parse({ release, files: { [path]: '' } }), JSON.stringify(path))

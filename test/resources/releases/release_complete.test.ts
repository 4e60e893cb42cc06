/** Tests release_complete: marking a release when its files are on the disk. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { release_complete } from '../../../resources/releases/release_complete.ts'
import { contract } from '../../support/contract.ts'

const release = '/srv/site/releases/000001-1a2b3c4d'
const given = (host: VirtualHost) => host.given(`${release}/.converge/release.json`, '{}')
const commands = (argv: readonly string[]) => (argv.join(' ') === `sync -f ${release}` ? {} : null)

contract(t, release_complete, [
  {
    name: 'marks a release after all its files are on the disk',
    props: { release },
    given,
    host: { commands },
    changes: ['replace /complete = true'],
    then: (t, host) => {
      t.match(host.readText(`${release}/.converge/complete`), /^20\d\d-\d\d-\d\dT.*Z\n$/)
      t.equal(host.changes.at(-2), `run sync -f ${release}`)
    },
  },
  {
    name: 'marks a release as another account',
    props: { release, owner: 'deploy', group: 'web' },
    given: (host) =>
      given(host)
        .given('/etc/passwd', 'root:x:0:0::/:/bin/sh\ndeploy:x:7:7::/:/bin/sh\n')
        .given('/etc/group', 'root:x:0:\nweb:x:8:\n'),
    host: { commands },
    then: (t, host) => t.match(host.lstat(`${release}/.converge/complete`), { uid: 7, gid: 8, mode: '0644' }),
  },
  {
    name: 'does nothing if the release is marked',
    props: { release },
    given: (host) => given(host).given(`${release}/.converge/complete`, '2024-05-26T00:00:00Z\n'),
    changes: [],
  },
  {
    name: 'fails if the directory is not a release',
    props: { release },
    given: (host) => host.given(release, null),
    fails: /is not a release.*git_release/s,
  },
  {
    name: 'leaves no mark if the sync fails',
    props: { release },
    given,
    host: { commands: () => ({ status: 1, stderr: 'sync: error syncing: Input/output error' }) },
    fails: /Input\/output error/,
  },
])

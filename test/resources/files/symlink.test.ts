/** Tests symlink: creating and switching links, and paths that it does not replace. */
import t from 'tap'
import { symlink } from '../../../resources/files/symlink.ts'
import { contract } from '../../support/contract.ts'

contract(t, symlink, [
  {
    name: 'creates a missing link',
    props: { path: '/srv/current', target: '/srv/releases/1' },
    changes: ['replace /target = "/srv/releases/1"', 'replace /kind = "link"'],
    then: (t, host) => t.equal(host.readLink('/srv/current'), '/srv/releases/1'),
  },
  {
    name: 'switches a link with one rename',
    props: { path: '/srv/current', target: '/srv/releases/2' },
    given: (host) => host.given('/srv/current', { link: '/srv/releases/1' }),
    changes: ['replace /target = "/srv/releases/2"'],
    then: (t, host) => t.strictSame(host.changes.slice(-1), ['link /srv/current -> /srv/releases/2']),
  },
  {
    name: 'does nothing if the link is correct',
    props: { path: '/srv/current', target: 'releases/2' },
    given: (host) => host.given('/srv/current', { link: 'releases/2' }),
    changes: [],
  },
  {
    name: 'fails to replace a directory',
    props: { path: '/srv/current', target: '/srv/releases/2' },
    given: (host) => host.given('/srv/current/index.html', 'hello'),
    fails: /real directory.*mv \/srv\/current/s,
  },
  {
    name: 'fails to replace a file',
    props: { path: '/srv/current', target: '/x' },
    given: (host) => host.given('/srv/current', 'hello'),
    fails: 'real file',
  },
  {
    name: 'fails to replace a pipe',
    props: { path: '/srv/current', target: '/x' },
    given: (host) => host.given('/srv/current', { other: true }),
    fails: '/srv/current is a pipe, socket or device, not a link',
  },
  {
    name: 'absent',
    props: { path: '/srv/current', absent: true },
    given: (host) => host.given('/srv/current', { link: '/x' }),
    changes: ['replace /target = null', 'replace /kind = "absent"'],
  },
  {
    name: 'fails if its directory does not exist',
    props: { path: '/srv/nowhere/current', target: '/x' },
    fails: /no such file or directory.*declare the directory/s,
  },
])

/** Tests link_sources: the files and directories that links of a release lead to. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { link_sources } from '../../../resources/files/link_sources.ts'
import { contract } from '../../support/contract.ts'

const shared = '/srv/www/shop/shared'
const props = { app: 'shop', shared, files: ['config/.env'], directories: ['uploads', 'media/large'], mode: '0770' }
const accounts = (host: VirtualHost) =>
  host
    .given('/etc/passwd', 'root:x:0:0::/:/bin/sh\ndeploy:x:7:7::/:/bin/sh\n')
    .given('/etc/group', 'root:x:0:\nweb:x:8:\n')

contract(t, link_sources, [
  {
    name: 'creates missing directories with their parents for the account of the app',
    props: { ...props, files: [], owner: 'deploy', group: 'web' },
    given: (host) => accounts(host).given(shared, null),
    then: (t, host) => {
      t.match(host.lstat(`${shared}/uploads`), { kind: 'directory', uid: 7, gid: 8, mode: '0770' })
      t.match(host.lstat(`${shared}/media`), { kind: 'directory', uid: 7, gid: 8, mode: '0755' })
      t.match(host.lstat(`${shared}/media/large`), { kind: 'directory', uid: 7, gid: 8, mode: '0770' })
    },
  },
  {
    name: 'leaves existing paths unchanged, also a file instead of a directory',
    props,
    given: (host) =>
      host
        .given(`${shared}/uploads/a`, '')
        .given(`${shared}/media/large`, 'a file')
        .given(`${shared}/config/.env`, 'A=1\n'),
    changes: [],
  },
  {
    name: 'fails if a file is missing',
    props: { ...props, files: ['config/.env', 'settings.py'] },
    given: (host) => host.given(shared, null),
    fails: /shared files that do not exist: .*\/config\/\.env, .*\/settings\.py create them.*deploy\.shop\.create_dirs/,
  },
  {
    name: 'fails at a link to a disk that is not mounted',
    props,
    given: (host) => host.given(`${shared}/config/.env`, '').given(`${shared}/uploads`, { link: '/mnt/uploads' }),
    fails: /\/uploads is a link that points nowhere .*readlink/,
  },
])

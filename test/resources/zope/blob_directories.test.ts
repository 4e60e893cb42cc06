/** Tests which directory of blobs an app and its ZEO server share. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { blob_directories } from '../../../resources/zope/blob_directories.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const client = '/srv/www/site/releases/000002-1a2b3c4d'
const server = '/srv/www/zeoserver/current'
const props = { app: 'site', client, servers: [client, server] }

interface Site {
  readonly client?: string
  readonly server?: string
  readonly shared?: string
  readonly address?: string
  readonly listens?: string
}

const zopeConf = ({
  client: blobs = `${client}/var/blobstorage`,
  shared = 'on',
  address = '127.0.0.1:8001',
}: Site) => `%define INSTANCE ${client}
<environment>
    TZ UTC
</environment>
<zodb_db main>
    <zeoclient>
      blob-dir ${blobs}
      shared-blob-dir ${shared}
      server ${address}
      storage 1
    </zeoclient>
    mount-point /
</zodb_db>
`
const zeoConf = ({ server: blobs = '/srv/www/zeoserver/releases/000001-aa/var/blobstorage', listens = '8001' }: Site) =>
  `%define INSTANCE /srv/www/zeoserver
%define PORT ${listens}
<zeo>
  address $PORT
</zeo>
<filestorage 1>
  path $INSTANCE/shared/var/filestorage/Data.fs
  blob-dir ${blobs}
</filestorage>
`

const twoApps =
  (site: Site = {}) =>
  (host: VirtualHost): void => {
    host
      .given('/srv/www/site/shared/var/blobstorage', null)
      .given(`${client}/var`, { link: '/srv/www/site/shared/var' })
      .given(`${client}/parts/client1/etc/zope.conf`, zopeConf(site))
      .given('/srv/www/zeoserver/shared/var/blobstorage', null)
      .given('/srv/www/zeoserver/releases/000001-aa/var', { link: '../../shared/var' })
      .given('/srv/www/zeoserver/releases/000001-aa/parts/zeoserver/etc/zeo.conf', zeoConf(site))
      .given(server, { link: 'releases/000001-aa' })
  }

const refused =
  /use another directory.*\/srv\/www\/site\/shared\/var\/blobstorage \(.*zope\.conf\) and \/srv\/www\/zeoserver\/shared\/var\/blobstorage \(.*zeo\.conf\).*set plone_blobs\.blob_dir/

contract(t, blob_directories, [
  { name: 'fails if the app and the server have different directories', props, given: twoApps(), fails: refused },
  {
    name: 'accepts different directories if the clients fetch blobs',
    props,
    given: twoApps({ shared: 'off' }),
    changes: [],
  },
  {
    name: 'fails for different directories with shared-blob = yes',
    props,
    given: twoApps({ shared: 'yes' }),
    fails: refused,
  },
  {
    name: 'accepts one directory that is reached by links',
    props,
    given(host) {
      twoApps({ client: '/srv/blobs' })(host)
      host.given('/data/blobs', null).given('/srv/blobs', { link: '../data/blobs' })
      host.remove('/srv/www/zeoserver/shared/var/blobstorage')
      host.given('/srv/www/zeoserver/shared/var/blobstorage', { link: '/data/blobs' })
    },
    changes: [],
  },
  {
    name: 'fails for different directories at the address of this host',
    props,
    given(host) {
      twoApps({ address: '10.0.0.5:8001' })(host)
      host.given('/proc/net/fib_trie', '     |-- 10.0.0.5\n        /32 host LOCAL\n')
    },
    fails: refused,
  },
  {
    name: 'accepts different directories for a ZEO server at another port',
    props,
    given: twoApps({ listens: '8100' }),
    changes: [],
  },
  {
    name: 'accepts different directories for a ZEO server on another host',
    props,
    given: twoApps({ address: '10.0.0.9:8001' }),
    changes: [],
  },
  {
    name: 'accepts a ZEO server of the same release',
    props,
    given(host) {
      twoApps()(host)
      host.given(`${client}/parts/zeoserver/etc/zeo.conf`, zeoConf({ server: 'var/blobstorage' }))
    },
    changes: [],
  },
  {
    name: 'fails for definitions that double with each line',
    props,
    given(host) {
      const doubling = Array.from({ length: 60 }, (_, at) => `%define d${at + 1} $d${at}$d${at}`).join('\n')
      const text = `%define d0 /srv/blobs\n${doubling}\n${zopeConf({ client: '$d60' })}`
      twoApps()(host)
      host.remove(`${client}/parts/client1/etc/zope.conf`)
      host.given(`${client}/parts/client1/etc/zope.conf`, text)
    },
    fails: /use another directory/,
  },
  { name: 'does nothing before the first build', props, changes: [] },
])

t.test('warns about a ZEO server on another host, unless the directory is on a mount', async (t) => {
  const mounts = [
    'rootfs / ext4 rw 0 0\n',
    'rootfs / ext4 rw 0 0\nnas:/blobs /srv/www/site/shared/var/blobstorage nfs4 rw 0 0\n',
    'rootfs / ext4 rw 0 0\nnas:/a /srv/www/site nfs rw 0 0\n/dev/sdb /srv/www/site/shared ext4 rw 0 0\n',
  ]
  const found = []
  for (const text of mounts) {
    const host = new VirtualHost()
    twoApps({ address: 'zeo.example.com:8001' })(host)
    host.given('/proc/self/mounts', text)
    const report = await run(
      planOf((r) => blob_directories(r, props)),
      host,
    )
    found.push(
      report.warnings.map((text) => /shared-blob is on.*blobstorage.*zeo\.example\.com/.test(JSON.stringify(text))),
    )
  }
  t.strictSame(found, [[true], [], [true]])
})

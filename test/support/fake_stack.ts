/** Defines the accounts of the in-memory host, its facts, and a site for it to serve. */
import type { Account } from '../../core/host/types.ts'
import type { Facts } from '../../core/node/facts.ts'
import { FakeRemote } from './fake_git.ts'
import type { NodeJson } from './golden.ts'

export const prefix = '/home/jane/host'
export const passwordLine = ({ name, uid, gid, home, shell }: Account) => `${name}:x:${uid}:${gid}::${home}:${shell}\n`
/** An ordinary user. */
export const jane: Account = { name: 'jane', uid: 1000, gid: 1000, home: '/home/jane', shell: '/bin/bash' }

export function factsOf(user: 'root' | 'jane', init: Facts['init']): Facts {
  const uid = user === 'root' ? 0 : jane.uid
  return {
    cpu: { total: 2 },
    memory: { total: 4e9 },
    platform: { name: 'debian', version: '12', codename: 'bookworm' },
    hostname: 'plone1',
    fqdn: 'plone1.example.com',
    addresses: [{ interface: 'eth0', address: '10.0.0.1', family: 'IPv4', internal: false }],
    kernel: '6.1.0',
    init,
    uid,
    gid: uid,
    user,
    group: user,
    node: '20.11.0',
  }
}

/** Makes the repository of a site, with one commit. */
export function siteRemote(): FakeRemote {
  const remote = new FakeRemote()
  remote.push({
    VERSION: '1\n',
    'buildout.cfg': '[buildout]\n',
    'cfg/base.cfg': '[buildout]\n',
    'var/README': 'goes\n',
  })
  return remote
}

/** Returns the attributes of two clients of the app `site`, and of a ZEO server of the app `zeo`. */
export function siteAttributes(url: string): NodeJson {
  const scm = { scm_type: 'git', repository: url, revision: 'main' }
  return {
    plone_instances: { app_name: 'site', instance_count: 2 },
    plone_zeoserver: { app_name: 'zeo' },
    deploy: { site: { scm }, zeo: { scm } },
  }
}

/** Tests that no other account can read the files in which a role stores secrets, below a prefix too. */
import t from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { merge } from '../../core/node/merge.ts'
import { giveWebServer } from '../support/app_web_server.ts'
import { FakeHost, type FakeHostOptions } from '../support/fake_host.ts'

const secret = 'planted-hunter22'
const site = { app_name: 'site' }
const pem = (label: string, text: string) => `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`
const tls = {
  ssl_support: true,
  ssl_certificate: pem('CERTIFICATE', 'MIIB'),
  ssl_certificate_key: pem('PRIVATE KEY', secret),
}
const environment = { environment: { API_TOKEN: secret } }

interface Situation {
  readonly attributes?: JsonObject
  /** Files with the secret, as patterns of their paths. */
  readonly files: readonly RegExp[]
  /** Such files that a run below a prefix does not write. */
  readonly systemFiles?: readonly RegExp[]
  readonly needsSystem?: true
}

const release = /\/releases\/[^/]+\/\.converge\/release\.json$/
const program = /\/supervisor\/conf\.d\/[^/]+\.conf$/
const situations: Readonly<Record<string, Situation>> = {
  'zeo-client': { files: [release, /\/releases\/[^/]+\/deploy\.cfg$/] },
  'port-app': {
    attributes: { port_app: { ...site, command: '/usr/bin/node serve %{port}' } },
    files: [release, program],
  },
  'jetty-app': { attributes: { jetty_app: { ...site, war: { path: 'a.war' } } }, files: [release, program] },
  'php-app': {
    attributes: { php_app: site, deploy: { site: tls } },
    files: [/\/(fpm\/pool\.d|php)\/site\.conf$/],
    systemFiles: [/\/ssl\/site\.pem$/],
  },
  'relstorage-server': {
    attributes: { plone_instances: { relstorage: { db: { name: 'd', user: 'u', password: secret } } } },
    // The password goes to the server alone, through the environment of a command.
    files: [],
    needsSystem: true,
  },
  'ebs-snapshots': {
    attributes: { ebs_snapshots: { aws_key: 'AKIA', aws_secret: secret } },
    files: [/\/converge-ebs-snapshots\/settings\.json$/],
    needsSystem: true,
  },
  newrelic: {
    attributes: { newrelic: { infrastructure: true, license: secret } },
    files: [/\/etc\/newrelic-infra\.yml$/],
    needsSystem: true,
  },
  broker: { attributes: { redis: { config: { requirepass: secret } } }, files: [/\/redis\.conf$/], needsSystem: true },
}

const accounts: readonly Required<Pick<FakeHostOptions, 'user' | 'prefixed'>>[] = [
  { user: 'root', prefixed: false },
  { user: 'jane', prefixed: true },
]

for (const [role, { attributes = {}, files, systemFiles = [], needsSystem }] of Object.entries(situations))
  for (const options of accounts.filter(({ prefixed }) => !(needsSystem && prefixed)))
    t.test(`hides the secrets of ${role} as ${options.user}${options.prefixed ? ' below a prefix' : ''}`, async (t) => {
      const host = madeHost(role, options, attributes)
      await host.run()
      const tree = host.tree()
      const found = Object.keys(tree).filter((path) => tree[path]?.content.includes(secret))
      for (const pattern of [...files, ...(options.prefixed ? [] : systemFiles)])
        t.ok(
          found.some((path) => pattern.test(path)),
          `${pattern} has the secret`,
        )
      if (!needsSystem) t.equal(tree[`${host.root}/srv/www/site/shared`]?.mode, '0770', 'the shared directory')
      for (const path of found) {
        // The group of Redis has no other member.
        const expected = /\/redis\.conf$/.test(path) ? '0640' : '0600'
        t.equal(tree[path]?.mode, expected, path)
      }
    })

function madeHost(role: string, options: FakeHostOptions, attributes: JsonObject): FakeHost {
  const host = new FakeHost({ ...options, roles: [role] })
  giveWebServer(host)
  host.machine.given('/etc/init.d/redis-server', '', '0755').given('/etc/redis', null)
  if (role === 'broker')
    host.machine
      .given('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\nredis:x:101:101::/var/lib/redis:/bin/false\n')
      .given('/etc/group', 'root:x:0:\nredis:x:101:\n')
  host.programs = { ...host.programs, nginx: { fault: undefined } }
  host.attributes = merge(merge(host.attributes, attributes), { deploy: { site: environment } })
  host.remote.push({ 'a.war': 'a', 'index.php': 'a' })
  return host
}

/**
 * Tests New Relic: the agent for Python reads newrelic.ini, and the role newrelic installs packages of a signed repository,
 * whose newrelic-infra stands for the agent.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { newRelicIni } from '../../recipes/plone/newrelic.ts'
import { needs, scratch } from '../support/machine.ts'
import { roleNode } from '../support/role_plans.ts'
import { writeFileWithParents } from './support/host_files.ts'
import { systemdHostNeeds, testNetwork } from './support/hosts.ts'
import { installProgram } from './support/program_on_host.ts'

t.setTimeout(400_000)

/** Returns the directory of the agent for Python from PyPI: installed once. */
function agentDirectory(): string {
  const directory = `/var/tmp/converge-test-newrelic-${process.getuid?.() ?? 0}`
  if (existsSync(directory)) return directory
  const made = `${directory}.${process.pid}`
  execFileSync('/usr/bin/python3', ['-m', 'pip', 'install', '-q', '--target', made, 'newrelic==11.0.0'])
  renameSync(made, directory)
  return directory
}

const readSettings = `import json, sys
from newrelic.config import initialize
from newrelic.core.config import global_settings
initialize(sys.argv[1])
found = global_settings()
print(json.dumps(dict(license=found.license_key, app=found.app_name, browser=found.browser_monitoring.auto_instrument,
                      sql=found.transaction_tracer.record_sql, slow=found.slow_sql.enabled)))
`

t.test('the agent for Python reads newrelic.ini', async (t) => {
  if (!needs(t, ['pip registry'])) return
  const directory = scratch(t)
  const read = (newrelic: object) => {
    const node = roleNode({
      plone_instances: { newrelic_tracing: true },
      opsworks: { stack: { name: 'Demo 100%' } },
      newrelic: newrelic as never,
    })
    writeFileSync(`${directory}/newrelic.ini`, newRelicIni(node))
    const argv = ['-c', readSettings, `${directory}/newrelic.ini`]
    const env = { PATH: process.env.PATH, PYTHONPATH: agentDirectory(), HOME: directory }
    return JSON.parse(execFileSync('/usr/bin/python3', argv, { encoding: 'utf8', env, cwd: directory }))
  }
  t.strictSame(read({ license: 'planted"#40' }), {
    ...{ license: 'planted"#40', app: 'Demo 100%: plone_instances', browser: true, sql: 'raw', slow: false },
  })
  const application_monitoring = {
    ...{ app_name: 'shop', license: 'own', browser_monitoring: { auto_instrument: false } },
    transaction_tracer: { slow_sql: true, record_sql: 'obfuscated' },
  }
  t.strictSame(read({ license: 'planted', application_monitoring }), {
    ...{ license: 'own', app: 'Demo 100%: shop', browser: false, sql: 'obfuscated', slow: true },
  })
})

/** Makes two packages and a repository that signs them, and serves it. */
const repository = `set -e
mkdir -p /srv/repo/dists/$1/main/binary-all /srv/repo/pool
cd /tmp
for name in newrelic-infra nri-nginx; do
  mkdir -p $name/DEBIAN
  printf 'Package: %s\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' $name > $name/DEBIAN/control
done
mkdir -p newrelic-infra/usr/bin newrelic-infra/lib/systemd/system
cat > newrelic-infra/usr/bin/newrelic-infra <<'END'
#!/bin/sh
grep -q '^license_key: .' /etc/newrelic-infra.yml || { echo 'no license key' >&2; exit 1; }
cp /etc/newrelic-infra.yml /run/newrelic-infra.read
exec sleep infinity
END
chmod 755 newrelic-infra/usr/bin/newrelic-infra
printf '[Service]\\nExecStart=/usr/bin/newrelic-infra\\n[Install]\\nWantedBy=multi-user.target\\n' > newrelic-infra/lib/systemd/system/newrelic-infra.service
printf '#!/bin/sh\\nset -e\\nsystemctl daemon-reload\\nsystemctl enable --now newrelic-infra\\n' > newrelic-infra/DEBIAN/postinst
chmod 755 newrelic-infra/DEBIAN/postinst
for name in newrelic-infra nri-nginx; do dpkg-deb --build $name /srv/repo/pool/$name.deb > /tmp/built; done
cd /srv/repo
packages=dists/$1/main/binary-all/Packages
for name in newrelic-infra nri-nginx; do
  deb=pool/$name.deb
  dpkg-deb --field $deb
  printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' $deb $(stat -c %s $deb) $(sha256sum < $deb | cut -d' ' -f1)
done > $packages
printf 'Suite: %s\\nComponents: main\\nArchitectures: all amd64 arm64\\nDate: %s\\nSHA256:\\n %s %s %s\\n' $1 "$(date -Ru)" \
  $(sha256sum < $packages | cut -d' ' -f1) $(stat -c %s $packages) main/binary-all/Packages > Release
mkdir -m 700 /tmp/gpg
export GNUPGHOME=/tmp/gpg
gpg --batch --quiet --passphrase '' --quick-gen-key 'Repository <repository@shop.test>' ed25519 sign never
gpg --quiet --export --armor > key.asc
gpg --quiet --clearsign --output dists/$1/InRelease Release
gpg --quiet --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10; exit }' > /tmp/fingerprint
systemd-run --quiet --unit=repository --working-directory=/srv/repo python3 -m http.server 8099 --bind 127.0.0.1
until curl -s -o /dev/null http://127.0.0.1:8099/key.asc; do sleep 0.1; done
`

t.test('the role newrelic runs the infrastructure agent', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'gpg', 'python3', 'haproxy', 'varnishd', 'nginx'])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('web1', { node: 'own' })
  installProgram(host)
  const codename = (await host.run('. /etc/os-release; printf %s $VERSION_CODENAME')).stdout
  writeFileWithParents(`${host.root}/tmp/repository.sh`, repository)
  const made = await host.run(`bash /tmp/repository.sh ${codename}`)
  t.equal(made.status, 0, made.stdout + made.stderr)
  const fingerprint = (await host.run('cat /tmp/fingerprint')).stdout.trim()
  const newrelic = {
    infrastructure: true,
    license: 'planted-"license"',
    infrastructure_agent: { verbose: true, proxy: 'http://10.0.0.1:3128' },
    repository: {
      infrastructure: {
        uri: 'http://127.0.0.1:8099',
        key: 'http://127.0.0.1:8099/key.asc',
        fingerprints: [fingerprint],
      },
    },
  }
  const site = {
    converge: { roles: ['frontend', 'newrelic'], frontend: { cache_size: '16m' } },
    opsworks: { stack: { name: 'demo' }, instance: { hostname: 'web1', private_ip: host.address } },
    plone_instances: { site_id: '' },
    newrelic,
  }
  const write = (json: object) => writeFileWithParents(`${host.root}/etc/converge/site.json`, JSON.stringify(json))
  const converge = async (words: string, status = 0) => {
    const ended = await host.run(`/usr/local/bin/node /opt/converge/dist/start.cjs ${words}`)
    t.equal(ended.status, status, `converge ${words}`)
    if (ended.status !== status) t.comment(ended.stdout + ended.stderr)
    return ended.stdout + ended.stderr
  }
  const read = async (path: string) => parse((await host.run(`cat ${path}`)).stdout)

  await t.test('a key with another fingerprint is refused', async (t) => {
    const other = { infrastructure: { ...newrelic.repository.infrastructure, fingerprints: ['0'.repeat(40)] } }
    write({ ...site, newrelic: { ...newrelic, repository: other } })
    t.match(await converge('setup', 1), new RegExp(`has other keys than declared: ${fingerprint}`))
    t.not((await host.run('dpkg -s newrelic-infra')).status, 0)
  })

  await t.test('installs and starts the agent with its license', async (t) => {
    write(site)
    const output = await converge('')
    t.notMatch(output, /planted/)
    t.match(await converge(''), /nothing to do/)
    const expected = {
      ...{ license_key: 'planted-"license"', display_name: 'web1', proxy: 'http://10.0.0.1:3128' },
      log: { level: 'debug' },
    }
    t.strictSame(await read('/etc/newrelic-infra.yml'), expected)
    t.strictSame(await read('/run/newrelic-infra.read'), expected, 'the agent has read it')
    t.equal((await host.run('stat -c "%a %U" /etc/newrelic-infra.yml')).stdout, '600 root\n')
    t.match((await host.run('/usr/local/bin/node /opt/converge/dist/start.cjs status')).stdout, /up +newrelic-infra/)
  })

  await t.test('the integration reads the counters of nginx at an address that answers', async (t) => {
    const { integrations } = await read('/etc/newrelic-infra/integrations.d/nginx-config.yml')
    t.match(integrations, [
      { name: 'nri-nginx', labels: { env: 'demo', host: 'web1' } },
      { env: { INVENTORY: 'true' } },
    ])
    t.match((await host.run(`curl -s ${integrations[0].env.STATUS_URL}`)).stdout, /^Active connections: \d+/)
    t.equal((await host.run(`test -f ${integrations[1].env.CONFIG_PATH}`)).status, 0)
    t.equal((await host.run('dpkg -s nri-nginx')).status, 0)
  })

  await t.test('a change restarts the agent', async (t) => {
    write({ ...site, newrelic: { ...newrelic, infrastructure_agent: { display_name: 'front' } } })
    await converge('configure')
    t.equal((await read('/run/newrelic-infra.read')).display_name, 'front')
  })

  await t.test('undeploy stops it, and removes the license and the repository', async (t) => {
    await converge('undeploy --role newrelic')
    t.match(
      (await host.run('systemctl is-active newrelic-infra; systemctl is-enabled newrelic-infra')).stdout,
      /inactive\ndisabled/,
    )
    t.not((await host.run('ls /etc/newrelic-infra.yml /etc/apt/sources.list.d/newrelic-infra.sources')).status, 0)
  })
})

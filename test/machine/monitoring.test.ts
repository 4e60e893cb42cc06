/** Tests the role monitoring on a host with systemd: each exporter is scraped, and the metrics tell of the host's programs and runs. */
import { cpSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { needs } from '../support/machine.ts'
import { writeFileWithParents } from './support/host_files.ts'
import { systemdHostNeeds, testNetwork } from './support/hosts.ts'
import { installProgram } from './support/program_on_host.ts'
import { webApps } from './support/web_apps.ts'

const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const exporters = ['node', 'nginx', 'varnish', 'redis'].map((kind) => `prometheus-${kind}-exporter`)

t.setTimeout(400_000)

t.test('Prometheus scrapes the programs of a host, and the runs of converge', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'haproxy', 'varnishd', 'nginx', 'redis-server', 'prometheus exporters'])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('web1', { node: 'own' })
  installProgram(host)
  cpSync(`${project}/fixtures/example-node-app`, `${host.root}/opt/apps/shop`, { recursive: true })
  const site = {
    converge: {
      roles: ['base', 'monitoring', 'broker', 'frontend', 'port-app'],
      frontend: { cache_size: '64m' },
      monitoring: {},
    },
    opsworks: {
      instance: { hostname: 'web1', private_ip: host.address, layers: ['web'] },
      layers: {
        plone_instances: { instances: { plone1: { private_ip: '127.0.0.1', status: 'online' } } },
        web: { instances: { web1: { private_ip: host.address, status: 'online' } } },
      },
    },
    plone_instances: { instance_count: 1, site_id: '' },
    redis: { config: { requirepass: 'a "quoted" \\ planted' } },
    port_app: webApps.port_app,
    deploy: { shop: { scm: { scm_type: 'directory', repository: '/opt/apps/shop' } } },
  }
  const write = (json: object) => writeFileWithParents(`${host.root}/etc/converge/site.json`, JSON.stringify(json))
  write(site)
  const converge = async (words: string, status = 0) => {
    const ended = await host.run(`/usr/local/bin/node /opt/converge/dist/start.cjs ${words}`)
    t.equal(ended.status, status, `converge ${words}`)
    if (ended.status !== status) t.comment(ended.stdout + ended.stderr)
    return ended.stdout + ended.stderr
  }
  const scrape = async (port: number, address = host.address) =>
    (await host.run(`curl -sS --max-time 10 http://${address}:${port}/metrics`)).stdout
  const value = (text: string, metric: string) => {
    const line = text.split('\n').find((one) => one.startsWith(`${metric} `))
    return line === undefined ? null : Number(line.slice(metric.length))
  }

  await converge('')
  t.match(await converge(''), /nothing to do/, 'the second run changes nothing')

  await t.test('scrapes each exporter at the private address only', async (t) => {
    const node = await scrape(9100)
    t.ok((value(node, 'node_memory_MemTotal_bytes') ?? 0) > 0, 'the host')
    t.equal(value(node, 'node_textfile_scrape_error'), 0, 'the file of converge has no error')
    const before = value(await scrape(9113), 'nginx_http_requests_total') ?? 0
    await host.run('for i in 1 2 3; do curl -s -o /dev/null -H "Host: shop.test" http://127.0.0.1/; done')
    const nginx = await scrape(9113)
    t.equal(value(nginx, 'nginx_up'), 1)
    t.ok((value(nginx, 'nginx_http_requests_total') ?? 0) >= before + 3, 'nginx counts the requests')
    t.equal(value(await scrape(9131), 'varnish_up'), 1)
    t.equal(value(await scrape(9121), 'redis_up'), 1, 'the exporter has the password')
    const haproxy = await scrape(8405)
    t.equal(value(haproxy, 'haproxy_process_current_frontend_connections{}'), null)
    t.match(haproxy, /^haproxy_server_status\{proxy="[^"]+",server="plone1-1",state="DOWN"\} 1$/m)
    t.match(haproxy, /^haproxy_process_uptime_seconds \d+$/m)
    for (const port of [9100, 9113, 9131, 9121, 8405]) t.equal(await scrape(port, '127.0.0.1'), '', `loopback ${port}`)
    t.match((await host.run(`curl -s -o /dev/null -w '%{http_code}' http://${host.address}:8405/`)).stdout, '404')
  })

  await t.test('the metrics tell of the last run', async (t) => {
    const text = await scrape(9100)
    const now = Number((await host.run('date +%s')).stdout)
    const at = value(text, 'converge_last_run_timestamp_seconds') ?? 0
    t.ok(at <= now + 1 && at > now - 300, `${at} is before ${now}`)
    t.ok((value(text, 'converge_last_run_duration_seconds') ?? 0) > 0)
    t.equal(value(text, 'converge_last_run_success'), 1)
    t.equal(value(text, 'converge_last_run_resources{state="changed"}'), 0)
    t.equal(value(text, 'converge_last_run_resources{state="failed"}'), 0)
    t.ok((value(text, 'converge_last_run_resources{state="unchanged"}') ?? 0) > 20)
    t.match(text, /^converge_last_run_info\{events="setup,deploy,configure",roles="base,monitoring,[^}]*"\} 1$/m)
    t.match(text, /^converge_release_info\{app="shop",commit="[0-9a-f]{40,64}",release="000001-[0-9a-f]{8}"\} 1$/m)
  })

  await t.test('the page names metrics that exist, and ports that answer', async (t) => {
    const page = readFileSync(`${project}/docs/monitoring.md`, 'utf8')
    const text = await scrape(9100)
    const names = new Set([...page.matchAll(/converge_\w+/g)].map(([name]) => name))
    t.equal(names.size, 7)
    for (const name of names) t.match(text, new RegExp(`^${name}[ {]`, 'm'), name)
    const [rules, scrapes] = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => parse(block ?? ''))
    t.equal(rules.groups[0].rules.length, 3)
    const targets = scrapes.scrape_configs.flatMap((job: { static_configs: { targets: string[] }[] }) =>
      job.static_configs.flatMap((config) => config.targets),
    )
    for (const target of targets as string[]) t.ok(await scrape(Number(target.split(':')[1])), target)
  })

  await t.test('a failed run shows, and the next one that succeeds', async (t) => {
    await host.run('touch /blocked')
    write({ ...site, redis: { config: { ...site.redis.config, dir: '/blocked' } } })
    await converge('configure', 1)
    const failed = await scrape(9100)
    t.equal(value(failed, 'converge_last_run_success'), 0)
    t.equal(value(failed, 'converge_last_run_resources{state="failed"}'), 1)
    t.ok((value(failed, 'converge_last_run_resources{state="not_reached"}') ?? 0) > 0)
    write(site)
    await converge('configure')
    t.equal(value(await scrape(9100), 'converge_last_run_success'), 1)
    t.match(
      (await host.run('ls /var/lib/converge-metrics; stat -c "%U %a" /var/lib/converge-metrics/converge.prom')).stdout,
      'converge.prom\nroot 644\n',
    )
  })

  await t.test('a plan leaves the metrics alone', async (t) => {
    const before = (await host.run('cat /var/lib/converge-metrics/converge.prom')).stdout
    await converge('plan')
    t.equal((await host.run('cat /var/lib/converge-metrics/converge.prom')).stdout, before)
  })

  await t.test('status displays the exporters', async (t) => {
    const { stdout } = await host.run('/usr/local/bin/node /opt/converge/dist/start.cjs status')
    for (const name of exporters) t.match(stdout, new RegExp(`up +${name}`))
    t.notOk(stdout.includes('planted'))
  })

  await t.test('a changed address, and the exporters of stopped programs', async (t) => {
    write({ ...site, converge: { ...site.converge, monitoring: { address: '127.0.0.1', node_port: 9200 } } })
    await converge('configure')
    t.match(await scrape(9200, '127.0.0.1'), /^converge_last_run_success 1$/m)
    t.equal(await scrape(9100), '', 'the former port is closed')
    t.match(await scrape(8405, '127.0.0.1'), /^haproxy_process_uptime_seconds/m)
    await converge('stop')
    t.equal(value(await scrape(9121, '127.0.0.1'), 'redis_up'), 0, 'the exporter tells that Redis is down')
    await converge('configure')
    await converge('start')
    t.equal(value(await scrape(9121, '127.0.0.1'), 'redis_up'), 1)
  })

  await t.test('undeploy ends them, and a host without the role has no metrics of HAProxy', async (t) => {
    await converge('undeploy --role monitoring')
    // The exporter of nginx in Debian 12 ends with an error when it is stopped.
    for (const name of exporters) {
      const { stdout } = await host.run(`systemctl is-active ${name}; systemctl is-enabled ${name}`)
      t.match(stdout, /^(inactive|failed)\ndisabled\n$/, name)
    }
    t.equal((await host.run('ls /var/lib/converge-metrics /etc/nginx/conf.d/converge-monitoring.conf')).stdout, '')
    const roles = site.converge.roles.filter((role) => role !== 'monitoring')
    write({ ...site, converge: { ...site.converge, roles } })
    await converge('configure')
    t.equal(await scrape(8405, '127.0.0.1'), '')
    t.match(await converge(''), /nothing to do/)
  })
})

/**
 * Tests the frontend on an in-memory host: the run follows the plan, the next run repairs a kill at any change, and an
 * undeploy removes it.
 */
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import type { ReferenceParts } from '../../../core/model/reference.ts'
import { neutralFacts } from '../../../core/node/facts.ts'
import type { RunReport } from '../../../core/report/events.ts'
import { inspect } from '../../../recipes/frontend/inspect.ts'
import role from '../../../recipes/frontend/role.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import { failureOf, patchOf } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'
import { type NodeJson, nodeOf } from '../../support/golden.ts'

const prefix = '/srv/own'
const jane = { name: 'jane', uid: 1000, gid: 1000, home: '/home/jane', shell: '/bin/bash' }
const socket = `${prefix}/var/run/supervisor.sock`
const confDir = `${prefix}/etc/supervisor/conf.d`
const pem = `${prefix}/etc/nginx/ssl/www.example.com.pem`
const behaviours = {
  nginx: { port: 8000 },
  'frontend-haproxy': { port: 8080 },
  'frontend-varnish': { port: 6081, headers: { 'x-varnish': '2' } },
}

const attributes = {
  opsworks: {
    instance: { hostname: 'lb1', private_ip: '10.0.0.11' },
    layers: { plone_instances: { instances: { p1: { status: 'online', private_ip: '10.0.0.2', backends: 8 } } } },
  },
  haproxy: { enable_stats: true },
  deploy: {
    plone_instances: {
      ssl_support: true,
      ssl_certificate: 'C',
      ssl_certificate_key: 'K',
      domains: ['www.example.com'],
    },
  },
  converge: { prefix, frontend: { http_port: 8000, https_port: 8443 } },
}

function nodeWith(more: NodeJson = {}, facts: object = { uid: 1000, user: 'jane' }): SiteNode {
  const run = { id: 'test', events: [], options: {}, by: 'tester' }
  return { ...nodeOf(attributes, more), facts: { ...neutralFacts, ...facts }, run } as unknown as SiteNode
}

/** Returns the server states that a HAProxy with this configuration prints. @param admin 8 for drained servers */
function statesOf(config: string, admin = 0): string {
  const backend = /^backend (\S+)/m.exec(config)?.[1] ?? ''
  const servers = [...config.matchAll(/^ +server (\S+) (\S+):(\d+) /gm)]
  const rows = servers.map(([, name, address, port]) => `3 ${backend} 1 ${name} ${address} 2 ${admin} - ${port} 1`)
  return `1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_fqdn srv_port srv_uweight\n${rows.join('\n')}\n`
}

/** Makes a host of the ordinary user jane, with the three programs and a supervisord. */
function machine(beforeChange?: (count: number, what: string) => void): { host: VirtualHost; ran: string[] } {
  const ran: string[] = []
  const supervisor = new FakeSupervisor({ socket, confDir, programs: behaviours })
  const host = new VirtualHost({
    self: jane,
    beforeChange,
    commands: (argv) => {
      ran.push(argv.join(' '))
      return {}
    },
    exchanges: ({ text }, machine) =>
      text.startsWith('show info')
        ? 'Name: HAProxy\n'
        : text.startsWith('show servers state; show stat')
          ? `${statesOf(machine.readText(`${prefix}/etc/haproxy/haproxy.cfg`) ?? '', machine.stat(`${prefix}/drained`) === null ? 0 : 8)}# pxname,svname,status,\n`
          : statesOf(machine.readText(`${prefix}/etc/haproxy/haproxy.cfg`) ?? ''),
    requests: supervisor.requests,
  })
  for (const program of ['haproxy', 'varnishd', 'nginx']) host.given(`/usr/sbin/${program}`, '', '0755')
  host
    .given(confDir, null)
    .given(`${prefix}/etc/supervisor/supervisord.conf`, '')
    .given(`${prefix}/var/log/supervisor`, null)
  return { host, ran }
}

const plan = (events: readonly string[], node = nodeWith()) => compile([role], events, node)
const run = (host: VirtualHost, events = ['configure'], node?: SiteNode, mode: 'run' | 'plan' = 'run') =>
  converge(plan(events, node), host, { id: 'test', mode })

const changed = ({ resources }: RunReport) =>
  resources.flatMap(({ name, outcome }) => (outcome === 'changed' ? [name] : []))

t.test('installs and starts everything, and a second run has nothing to do', async (t) => {
  const { host, ran } = machine()
  const dry = await run(new VirtualHost({ base: host }), ['configure'], undefined, 'plan')
  t.strictSame([failureOf(dry), ran], [undefined, []], 'a dry run checks nothing')
  t.strictSame(failureOf(await run(host)), undefined)
  t.match(host.lstat(`${prefix}/etc/haproxy/haproxy.cfg`), { mode: '0600' })
  t.match(host.lstat(pem), { mode: '0600' })
  const files = host.list(`${prefix}/etc/nginx/sites-enabled`)
  t.strictSame(files, ['instances', 'instances-ssl'])
  t.strictSame(host.list(confDir), ['frontend-haproxy.conf', 'frontend-varnish.conf', 'nginx.conf'])
  const again = await run(host)
  t.strictSame([failureOf(again), patchOf(again)], [undefined, []])
  const { apps } = await inspect(nodeWith(), host)
  t.match(apps[0]?.services, [{ up: true }, { up: true }, { up: true }])
})

t.test('a balancer without servers: no warning at the first setup, one when its last host goes down', async (t) => {
  const { host } = machine()
  const none = { opsworks: { layers: { plone_instances: { instances: { p1: { status: 'stopped' } } } } } }
  const node = nodeWith(none)
  t.strictSame(failureOf(await converge(plan(['configure'], node), host, { id: 'test', mode: 'run' })), undefined)
  t.strictSame(plan(['configure'], node).bind(host).warnings, [], 'its clients come later')
  await converge(plan(['configure'], nodeWith()), host, { id: 'test', mode: 'run' })
  t.strictSame(plan(['configure'], node).bind(host).warnings, [
    'HAProxy has no server, so visitors get HTTP 503 from now on: no host of the layer plone_instances is online any more (start one of p1)',
  ])
  await converge(plan(['configure'], node), host, { id: 'test', mode: 'run' })
  t.strictSame(plan(['configure'], node).bind(host).warnings, [], 'once')
  const empty = nodeOf({ ...attributes, opsworks: { instance: attributes.opsworks.instance } })
  t.strictSame(
    plan(['configure'], { ...(empty as unknown as SiteNode), facts: node.facts, run: node.run }).bind(host).warnings,
    [
      'HAProxy has no server, so visitors get HTTP 503: the layer plone_instances has no host (run zeo-client on this host too, or describe the hosts of the clients in opsworks.layers.plone_instances.instances)',
    ],
  )
  t.match((await inspect(node, host)).apps[0]?.services, [
    { name: 'frontend-haproxy', up: false, detail: 'runs, but has no server: visitors get HTTP 503' },
    { up: true },
    { up: true },
  ])
})

t.test('the servers of the running HAProxy count, and not the hosts in the records of the operator', async (t) => {
  const { host } = machine()
  await run(host)
  const none = { opsworks: { layers: { plone_instances: { instances: { p1: { status: 'stopped' } } } } } }
  t.match((await inspect(nodeWith(none), host)).apps[0]?.services, [{ up: true }, { up: true }, { up: true }])
})

t.test('a balancer whose servers take no visitors is not ready', async (t) => {
  const { host } = machine()
  await run(host)
  host.given(`${prefix}/drained`, '')
  t.match((await inspect(nodeWith(), host)).apps[0]?.services, [
    {
      up: false,
      readiness: 'not ready',
      detail: 'runs, but none of its servers (2) takes visitors: they get HTTP 503',
    },
    { up: true },
    { up: true },
  ])
})

t.test('reloads only what has changed', async (t) => {
  const { host } = machine()
  await run(host)
  const reloaded = async (more: NodeJson) => {
    const report = await run(host, ['configure'], nodeWith(more))
    t.strictSame(failureOf(report), undefined)
    return report.resources.flatMap(({ name }) => (name.startsWith('service_') ? [name.replace(/ for .*/, '')] : []))
  }
  t.strictSame(await reloaded({ haproxy: { retries: 5 } }), ['service_reload frontend-haproxy'])
  t.strictSame(await reloaded({ haproxy: { retries: 5 }, varnish_plone: { grace: 5 } }), [
    'service_reload frontend-varnish',
  ])
  const more = { haproxy: { retries: 5 }, varnish_plone: { grace: 5 }, plone_instances: { site_id: 'other' } }
  t.strictSame(await reloaded(more), ['service_reload nginx'])
  t.strictSame(await reloaded({ ...more, converge: { frontend: { cache_size: '1g' } } }), [
    'service_restart frontend-haproxy frontend-varnish',
  ])
})

t.test('killed at any change, the next run finishes the work', async (t) => {
  const { host: whole } = machine()
  await run(whole)
  const changes = whole.changes.length
  t.ok(changes > 40)
  for (let at = 1; at <= changes; at++) {
    let armed = true
    let count = 0
    const { host } = machine(() => {
      count++
      if (armed && count >= at) throw new Error('killed')
    })
    await run(host)
    armed = false
    t.strictSame(failureOf(await run(host)), undefined, `killed at change ${at}`)
    t.strictSame(patchOf(await run(host)), [], `killed at change ${at}, it is finished then`)
    const left = host.list(`${prefix}/etc/nginx/sites-available`).filter((name) => name.startsWith('.'))
    t.strictSame(left, [], `killed at change ${at}, nothing is left lying about`)
  }
})

t.test('undeploy removes the site, and nginx continues', async (t) => {
  const { host } = machine()
  await run(host)
  t.strictSame(failureOf(await run(host, ['undeploy'])), undefined)
  t.strictSame(host.list(confDir), ['nginx.conf'])
  t.strictSame(host.list(`${prefix}/etc/nginx/sites-enabled`), [])
  t.strictSame(failureOf(await run(host, ['undeploy'])), undefined, 'once more')
  t.ok(changed(await run(host)).includes('service_reload nginx for the front end'), 'and back: nginx reloads')
})

t.test(
  'the default site of an app at the same port: removed by the front end, and written when that goes',
  async (t) => {
    const { host } = machine()
    const nginx = `${prefix}/etc/nginx`
    const own = '# Written by converge, changes are overwritten.\n'
    const shop = `${own}server {\n    listen 8000;\n    server_name shop.test;\n}\n`
    host.given(`${nginx}/sites-enabled/shop`, shop)
    // The role of the app ran before the front end was set up.
    const path = `${nginx}/conf.d/converge-default-8000.conf`
    host.given(path, `${own}server {\n    listen 8000;\n    server_name _;\n    return 404;\n}\n`)
    t.strictSame(failureOf(await run(host)), undefined)
    t.equal(host.lstat(path), null)
    t.strictSame(patchOf(await run(host)), [])
    t.strictSame(failureOf(await run(host, ['undeploy'])), undefined)
    t.match(host.readText(path), /return 404/)
    t.strictSame(
      changed(await run(host)).filter((name) => /default/.test(name)),
      ['nginx_default_sites the front end', 'service_reload nginx for the default sites beside the front end'],
    )
  },
)

t.test('a host that an earlier version has set up: nothing to do', async (t) => {
  const { host } = machine()
  await run(host)
  const record = (name: string) => /default/.test(name)
  const records = '/var/lib/converge/records'
  for (const name of host.list(records)) if (record(name)) host.remove(`${records}/${name}`)
  t.strictSame(patchOf(await run(host)), [])
})

t.test('status of a site that is closed for maintenance', async (t) => {
  const { host } = machine()
  await run(host)
  const closed = async () => (await inspect(nodeWith(), host)).apps.map(({ closed }) => closed !== null)
  t.strictSame(await closed(), [false])
  t.strictSame(failureOf(await run(host, ['maintenance_on'])), undefined)
  t.strictSame(await closed(), [true])
  await run(host, ['maintenance_off'])
  t.strictSame(await closed(), [false])
})

t.test('reloads nginx each time TLS is turned on or off', async (t) => {
  const { host } = machine()
  const without = nodeWith({ deploy: { plone_instances: { ssl_support: false } } })
  for (const node of [without, undefined, without])
    t.ok(changed(await run(host, ['configure'], node)).includes('service_reload nginx for the front end'))
  t.notOk(host.lstat(pem), 'no key is left')
  await run(host)
  t.ok(host.lstat(pem))
  await run(host, ['undeploy'])
  t.notOk(host.lstat(pem))
})

t.test('as root on the system: installs packages and units, and disables the default site of Debian', (t) => {
  for (const [init, path] of [
    ['systemd', '/etc/systemd/system/varnish.service.d/converge.conf'],
    ['other', '/etc/default/varnish'],
  ] as const) {
    const node = nodeWith(
      { converge: { prefix: '/' }, nginx_plone: { proxy_port: 6082 } },
      { uid: 0, user: 'root', init },
    )
    const { resources } = plan(['setup', 'configure'], node)
    const names = resources.map(({ name }) => name)
    t.match(names[0], /^package (?=.*haproxy)(?=.*nginx)(?=.*varnish)/)
    t.ok(names.includes('symlink /etc/nginx/sites-enabled/default'))
    const { content } = (resources.find(({ key }) => key === path)?.props ?? {}) as { content: ReferenceParts<string> }
    const packaged = '/usr/sbin/varnishd -F -a :6081 -s malloc,1g'
    t.match(content.transform?.(packaged as never), /-a :6082 .*malloc,256m/)
    t.match(content.provider, 'unit_command varnish.service')
    t.notOk(names.some((name) => name.startsWith('supervisor')))
    const removed = plan(['undeploy'], node).resources.map(({ name }) => name)
    t.ok(['service varnish', 'service haproxy'].every((name) => removed.includes(name)))
    t.notOk(removed.includes('service nginx'), 'other sites may be there')
  }
  t.end()
})

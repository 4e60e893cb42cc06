/** Tests which hosts of a stack connect to which others, and the diagram of it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { graphOf } from '../../../../core/fleet/stack/graph.ts'
import { pictureOf, portsText } from '../../../../core/fleet/stack/layout.ts'
import { loadStack } from '../../../../core/fleet/stack/load.ts'
import {
  arrowsOf,
  type HostServices,
  missingAnswers,
  portClashes,
  type Service,
} from '../../../../core/fleet/stack/services.ts'
import { scratch } from '../../../support/machine.ts'

const service = (name: string, ports: number[], asks: readonly string[] = [], visited = false): Service => ({
  name,
  role: `${name}-role`,
  ports,
  asks,
  isVisited: visited,
})

async function stackOf(t: Test, hosts: Readonly<Record<string, object>>) {
  const path = join(scratch(t), 'stack.json')
  const layers = { web: { name: 'Web & <more>' }, app: {}, db: {} }
  const apps = { site: { scm: { repository: '/x' }, domains: ['a.test', 'b.test', 'c.test', 'd.test', 'e.test'] } }
  writeFileSync(path, JSON.stringify({ name: 'pic', layers, hosts, apps }))
  return loadStack(path)
}

const hosts = {
  web1: { address: '10.0.0.1', layers: ['web'] },
  app1: { address: 'app1.test', private_ip: '10.0.0.2', layers: ['app'] },
  app2: { address: '10.0.0.3', private_dns_name: 'app2.internal', layers: ['app', 'db'] },
  db1: { address: '10.0.0.4', layers: ['db'] },
}

const running: readonly HostServices[] = [
  {
    host: 'web1',
    services: [
      service('nginx', [80, 443], ['localhost:8080'], true),
      service('haproxy', [8080], ['10.0.0.2:8081', '10.0.0.2:8082', 'app2.internal:8081']),
    ],
  },
  { host: 'app1', services: [service('site', [8081, 8082], ['10.0.0.4:8001', 'cache.example.com:11211'])] },
  { host: 'app2', services: [service('site', [8081], ['10.0.0.4:8001', '10.0.0.4:9', 'db1:6379'])] },
  { host: 'db1', services: [service('zeo', [8001])] },
]

t.test('an address leads to a host by any of its names', async (t) => {
  const arrows = arrowsOf(await stackOf(t, hosts), running)
  t.strictSame(
    arrows.map(
      ({ from, to }) =>
        `${from.host} ${from.service.name} > ${'outside' in to ? to.outside : `${to.host} ${to.service?.name}`}`,
    ),
    [
      'web1 nginx > web1 haproxy',
      'web1 haproxy > app1 site',
      'web1 haproxy > app2 site',
      'app1 site > db1 zeo',
      'app1 site > cache.example.com:11211',
      'app2 site > db1 zeo',
    ],
  )
})

t.test('reads IPv6 addresses, with and without brackets, and addresses outside the stack', async (t) => {
  const stack = await stackOf(t, {
    app: { address: 'fd00::1', layers: ['app'] },
    db: { address: 'fd00::5', layers: ['db'] },
  })
  const asks = ['[fd00::5]:8001', 'fd00::5:8002', 'fd00::9:8001', '[fd00::9]:1']
  const arrows = arrowsOf(stack, [
    { host: 'app', services: [service('site', [8081], asks)] },
    { host: 'db', services: [service('zeo', [8001]), service('redis', [8002])] },
  ])
  t.strictSame(
    arrows.map(({ to }) => ('outside' in to ? to.outside : `${to.host} ${to.service?.name}`)),
    ['db zeo', 'db redis', 'fd00::9:8001', '[fd00::9]:1'],
  )
})

t.test('reports addresses that no host answers, and ports that two services use', async (t) => {
  const stack = await stackOf(t, hosts)
  const lost = running.map((one) => (one.host === 'db1' ? { host: 'db1', services: [] } : one))
  const all = new Set(Object.keys(hosts))
  const [concern, ...more] = missingAnswers(arrowsOf(stack, lost), all)
  t.match(concern, { message: 'site asks db1, where nothing of the stack answers it', hosts: ['app1', 'app2'] })
  t.strictSame(more, [])
  t.strictSame(missingAnswers(arrowsOf(stack, lost), new Set(['web1'])), [], 'the targets of others are unknown')
  const [clash] = portClashes([
    { host: 'a', services: [service('one', [1, 2]), service('one', [2]), service('two', [2, 3])] },
  ])
  t.match(clash, { message: 'port 2 is used by both one (one-role) and two (two-role)', hosts: ['a'] })
})

t.test('shortens lists of ports', async (t) => {
  t.strictSame([[], [80], [443, 80], [8081, 8082, 8083, 9000]].map(portsText), [
    '',
    ':80',
    ':80 :443',
    ':8081-8083 :9000',
  ])
})

t.test('layers that connect to each other share a column, in any order of the stack file', async (t) => {
  const names = { web: 'web1', app: 'app1', db: 'db1' } as const
  const services: readonly HostServices[] = [
    { host: 'web1', services: [service('varnish', [80], ['10.0.0.2:8081'], true)] },
    { host: 'app1', services: [service('site', [8081], ['10.0.0.1:80', '10.0.0.4:8001'])] },
    { host: 'db1', services: [service('zeo', [8001])] },
  ]
  const hostsOf = { web: hosts.web1, app: { address: '10.0.0.2', layers: ['app'] }, db: hosts.db1 }
  for (const order of [['web', 'app', 'db'] as const, ['db', 'app', 'web'] as const]) {
    const path = join(scratch(t), 'stack.json')
    const layers = Object.fromEntries(order.map((layer) => [layer, {}]))
    const hosts = Object.fromEntries(order.map((layer) => [names[layer], hostsOf[layer]]))
    writeFileSync(path, JSON.stringify({ name: 'cycle', layers, hosts }))
    const picture = pictureOf(await loadStack(path), services)
    const middleOf = (title: string) => {
      const { x = Number.NaN, width = 0 } = picture.layers.find((layer) => layer.title === title) ?? {}
      return x + width / 2
    }
    t.equal(middleOf('web'), middleOf('app'), order.join())
    t.ok(middleOf('app') < middleOf('db'), order.join())
  }
})

t.test('draws columns from the visitors inwards, and boxes do not overlap', async (t) => {
  const picture = pictureOf(await stackOf(t, hosts), running)
  const x = (title: string) => picture.layers.find((layer) => layer.title === title)?.x ?? Number.NaN
  t.ok((picture.visitors?.x ?? Number.NaN) < x('Web & <more>'))
  t.ok(x('Web & <more>') < x('app') && x('app') < x('db'))
  t.ok((picture.outside[0]?.x ?? 0) > x('db'))
  t.strictSame(picture.visitors?.lines, ['a.test', 'b.test', 'c.test', 'and 2 more'])
  const inside = picture.layers.flatMap((layer) => layer.hosts)
  t.strictSame(inside.map(({ title }) => title).sort(), ['app1', 'app2', 'db1', 'web1'])
  t.equal(inside.find(({ title }) => title === 'app2')?.detail, '10.0.0.3 + db')
  for (const boxes of [inside, [...picture.layers, ...picture.outside]])
    for (const one of boxes)
      for (const other of boxes) {
        const apart =
          one.x + one.width <= other.x ||
          other.x + other.width <= one.x ||
          one.y + one.height <= other.y ||
          other.y + other.height <= one.y
        t.ok(one === other || apart, `${one.title} and ${other.title}`)
      }
  for (const { x, y, width, height } of [...inside, ...picture.outside])
    t.ok(x >= 0 && y >= 0 && x + width <= picture.width && y + height <= picture.height)
})

t.test('draws many hosts with the same services as one', async (t) => {
  const many = Object.fromEntries(
    Array.from({ length: 9 }, (_, n) => [
      `app${n + 1}`,
      { address: `10.0.1.${n + 1}`, layers: ['app'], ...(n === 8 ? { status: 'stopped' } : {}) },
    ]),
  )
  const stack = await stackOf(t, { ...many, db1: hosts.db1 })
  const services = Object.keys(many)
    .slice(0, 8)
    .map((host, n) => ({ host, services: [service('site', n === 7 ? [8081, 8082] : [8081], ['10.0.0.4:8001'])] }))
  const [app] = pictureOf(stack, [...services, { host: 'db1', services: [service('zeo', [8001])] }]).layers.filter(
    ({ title }) => title === 'app',
  )
  t.strictSame(
    app?.hosts.map(({ title, detail }) => [title, detail]),
    [
      ['app[1-7]', '7 hosts'],
      ['app8', '10.0.1.8'],
      ['app9', '10.0.1.9 (stopped)'],
    ],
  )
})

t.test('draws an SVG of plain elements, whatever the names are', async (t) => {
  const svg = graphOf(await stackOf(t, hosts), running)
  t.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 [\d.]+ [\d.]+"/)
  t.match(svg, '<title>pic: who talks to whom</title>')
  t.match(svg, '>Web &amp; &lt;more&gt;</text>')
  for (const text of [
    'nginx :80 :443',
    'haproxy :8080',
    'site :8081-8082',
    'zeo :8001',
    'cache.example.com:11211',
    'visitors',
  ])
    t.match(svg, `>${text}</text>`)
  t.equal(svg.match(/marker-end/g)?.length, 6, 'an arrow for each that asks another host, and one for visitors')
  t.notMatch(svg, /NaN|undefined|Infinity|<script|href/)
})

t.test('leaves space for wide characters, and removes what XML cannot contain', async (t) => {
  const stack = await stackOf(t, hosts)
  const layers = stack.layers.map((layer, index) => (index === 0 ? { ...layer, title: '前端服务器集群' } : layer))
  const title = '\u001b[31mbell\u0007 \ud800 😀'
  const svg = graphOf({ ...stack, layers, name: title }, running)
  t.match(svg, '<title>\ufffd[31mbell\ufffd \ufffd 😀: who talks to whom</title>')
  // Each of these letters is two columns wide.
  const box = pictureOf({ ...stack, layers }, []).layers.find((layer) => layer.title === '前端服务器集群')
  t.ok((box?.width ?? 0) >= 7 * 12, `${box?.width}`)
})

t.test('draws a hundred hosts that differ only in name as one box, and quickly', async (t) => {
  const many = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`app${n + 1}`, { address: `10.0.2.${n + 1}`, layers: ['app'] }]),
  )
  const stack = await stackOf(t, { ...many, web1: hosts.web1 })
  const asks = Array.from({ length: 100 }, (_, n) => `10.0.2.${n + 1}:8081`)
  const services = [
    { host: 'web1', services: [service('haproxy', [80], asks, true)] },
    ...Object.keys(many).map((host) => ({ host, services: [service('site', [8081])] })),
  ]
  const picture = pictureOf(stack, services)
  t.ok(picture.height < 400 && picture.width < 900, `${picture.width} × ${picture.height}`)
  t.equal(graphOf(stack, services).match(/marker-end/g)?.length, 2)

  const mixed = services.map((one, index) =>
    index % 2 ? one : { ...one, services: [service('site', [8081, 8082], one.services[0]?.asks)] },
  )
  const [app] = pictureOf(stack, mixed).layers.filter(({ title }) => title === 'app')
  t.match(app?.hosts[0], { title: /^app\[1,3,5,.*…$/, detail: '50 hosts' })
  t.ok((app?.width ?? 0) < 500, `names of many hosts are cut: ${app?.width}`)
})

/** Tests `converge stack show`: hosts, layers and services of a stack as a table, as JSON and as a diagram. */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const fixture = fileURLToPath(new URL('../../fixtures/stacks/plone/stack.yaml', import.meta.url))
const env = { SHOP_TOKEN: 'open-sesame' }
const show = (sandbox: Sandbox, ...args: string[]) =>
  sandbox.converge(['stack', 'show', '-s', fixture, ...args], { bare: true, env })

t.test('prints a table', async (t) => {
  const { status, stdout, stderr } = await show(new Sandbox(t))
  t.equal(stderr, '')
  t.equal(status, 0)
  t.equal(
    stdout,
    `shop

layer            roles       hosts
zeoserver        zeo-server  zeo1
plone_instances  zeo-client  plone1, plone2, plone3
frontend         frontend    web1, web2

host    address     layers           services
zeo1    10.0.0.5    zeoserver        zeoserver :8001
plone1  10.0.0.11   plone_instances  plone_instances :8081-8082
plone2  10.0.0.12   plone_instances  plone_instances :8081-8082
plone3  10.0.0.13   plone_instances  plone_instances :8081-8084
web1    192.0.2.21  frontend         nginx :80, varnish :6081, haproxy :8080
web2    192.0.2.22  frontend         nginx :80, varnish :6081, haproxy :8080

app              repository                             revision
plone_instances  git@git.example.com:shop/buildout.git  main
zeoserver        git@git.example.com:shop/buildout.git  main
`,
  )
})

t.test('prints an environment', async (t) => {
  const { stdout } = await show(new Sandbox(t), '--environment', 'staging')
  t.match(stdout, /^shop-staging \(staging\)\n/)
  t.match(stdout, /^plone1 +10\.1\.0\.11 +plone_instances +plone_instances :8081$/m)
  t.notMatch(stdout, /plone2|web2/)
})

t.test('--json-output prints the stack as JSON', async (t) => {
  const { stdout } = await show(new Sandbox(t), '--json-output')
  const reported = JSON.parse(stdout)
  t.match(reported, {
    stack: 'shop',
    environment: null,
    layers: [{ name: 'zeoserver', title: 'ZEO server', roles: ['zeo-server'], hosts: ['zeo1'] }],
    hosts: [
      { name: 'zeo1', address: '10.0.0.5', user: 'admin', roles: ['base', 'zeo-server'], status: 'online' },
      { name: 'plone1', services: [{ name: 'plone_instances', ports: [8081, 8082], asks: ['10.0.0.5:8001'] }] },
    ],
    apps: [{ name: 'plone_instances', title: 'Shop', revision: 'main', domains: ['shop.example.com'] }],
  })
  t.ok(
    reported.arrows.some(
      ({ from, to }: { from: { host: string }; to: { host: string } }) => from.host === 'web2' && to.host === 'plone3',
    ),
  )
  t.notMatch(stdout, /sesame/)
})

t.test('--graph writes a picture to a file or to standard output', async (t) => {
  const sandbox = new Sandbox(t)
  const { status, stdout } = await show(sandbox, '--graph', 'shop.svg')
  t.equal(status, 0)
  t.match(stdout, /^shop\n\nlayer/)
  const svg = sandbox.read('shop.svg')
  t.match(svg, /^<svg [^>]*>\n {2}<title>shop: who talks to whom<\/title>/)
  t.match(svg, '>shop.example.com</text>')
  t.equal((await show(sandbox, '--graph', '-')).stdout, svg)
  const nowhere = await show(sandbox, '--graph', 'no/shop.svg')
  t.match(nowhere, { status: 2, stderr: /cannot write the graph to no\/shop\.svg: no such file or directory/ })
})

t.test('displays the services that a custom role declares', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'stack.yaml': `name: own
layers: { web: { roles: [status] } }
hosts: { one: { address: 10.0.0.1, layers: [web] }, two: { address: 10.0.0.2, layers: [web], status: stopped } }
recipes: [recipes]
apps: { site: { scm: { repository: /srv/site.git }, layers: [web] } }
`,
    'recipes/status.ts': `import { role, service } from 'converge-engine'
export default role('status', { setup(r) { service(r, { name: 'statusd' }) } })`,
  })
  const { stdout, stderr } = await sandbox.converge(['stack', 'show'], { bare: true })
  t.match(stdout, /^one +10\.0\.0\.1 +web +statusd$/m, stderr)
  t.match(stdout, /^app {3}repository +revision +layers\nsite {2}\/srv\/site\.git +web$/m)
  t.match(stdout, /^two +10\.0\.0\.2 +web +stopped$/m)
})

/** Tests `converge stack attributes`: the attributes of a host of a stack, and where each comes from. */
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const stack = `name: shop
custom_json:
  plone_instances: { per_cpu: 3 }
layers:
  clients:
    roles: [zeo-client]
    attributes: { plone_instances: { zodb_cache_size: 1234 } }
hosts:
  client1: { address: 10.0.0.1, layers: [clients], cpus: 2 }
  client2: { address: 10.0.0.2, layers: [clients], attributes: { plone_instances: { per_cpu: 5 } } }
apps:
  site:
    layers: [clients]
    scm: { repository: 'https://git.test/site.git', password: 'open-sesame-4711' }
`

function attributes(t: Test, ...args: string[]) {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'stack.yaml': stack })
  return sandbox.converge(['stack', 'attributes', ...args], { bare: true })
}

t.test('--explain prints the layers of one host, with file and line', async (t) => {
  const { status, stdout, stderr } = await attributes(t, 'client2', '--explain', 'plone_instances.per_cpu')
  t.equal(status, 0, stderr)
  t.equal(
    stdout,
    `plone_instances.per_cpu = 5
    host       stack.yaml:10:94 5
    stack      stack.yaml:3:31 3
    schema     default 2
`,
  )
  const other = await attributes(t, 'client1', '--explain', 'plone_instances.per_cpu')
  t.match(other.stdout, /^plone_instances\.per_cpu = 3\n/)
})

t.test('--origins prints what is set for a host, without its secrets', async (t) => {
  const { status, stdout, stderr } = await attributes(t, 'client1', '--origins', '--json-output')
  t.equal(status, 0, stderr)
  t.notMatch(stdout, /sesame/)
  const { attributes: all } = JSON.parse(stdout) as { attributes: { path: string; value: unknown }[] }
  const setValue = (path: string) => all.find((one) => one.path === path)?.value
  t.equal(setValue('plone_instances.zodb_cache_size'), 1234)
  t.equal(setValue('plone_instances.restart_delay'), undefined)
  const text = await attributes(t, 'client1', '--origins')
  t.match(text.stdout, /^deploy\.site\.scm\.password = "\*{8}"\n {4}stack +stack\.yaml:\d+:\d+ "\*{8}"$/m)
})

t.test('prints the merged values of a host', async (t) => {
  const { stdout } = await attributes(t, 'client1')
  t.match(JSON.parse(stdout), { plone_instances: { per_cpu: 3 }, cpu: { total: 2 } })
})

t.test('refuses a host that the stack does not have, and an unknown key', async (t) => {
  t.match(await attributes(t, 'client3'), {
    status: 2,
    stderr: /the stack shop has no host client3.*did you mean "?client/s,
  })
  t.match(await attributes(t), { status: 2, stderr: /missing argument HOST/ })
  t.match(await attributes(t, 'client1', '--explain', 'plone_instance.per_cpu'), {
    status: 2,
    stderr: /unknown attribute plone_instance\b.*plone_instances/s,
  })
})

/** Tests what recipes import beside resources: the built-in roles, the hosts of the stack, data files. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { scratch } from '../support/machine.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

/** Runs the program with recipes in a directory of their own. */
function converge(t: Test, files: Readonly<Record<string, string>>, ...args: string[]) {
  const recipesDirectory = scratch(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(`${recipesDirectory}/${name}`), { recursive: true })
    writeFileSync(`${recipesDirectory}/${name}`, text)
  }
  for (const directory of ['etc', 'root/etc']) mkdirSync(`${recipesDirectory}/${directory}`, { recursive: true })
  const all = [program, ...args, '--recipes', 'recipes', '--config-dir', 'etc', '--prefix', `${recipesDirectory}/root`]
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { cwd: recipesDirectory, encoding: 'utf8' })
  return { status, text: (stdout + stderr).replaceAll(recipesDirectory, '') }
}

const host = (name: string, private_ip: string, status = 'online') => ({ [name]: { private_ip, status } })
const stackJson = JSON.stringify({
  opsworks: {
    stack: { name: 'shop' },
    instance: { hostname: 'app1', layers: ['app', 'cache'] },
    layers: {
      app: {
        instances: {
          ...host('app1', '10.0.0.1', 'booting'),
          ...host('app2', '10.0.0.2'),
          ...host('app3', '10.0.0.3', 'stopped'),
        },
      },
      cache: { instances: { ...host('app1', '10.0.0.1', 'booting') } },
    },
  },
})

const listing = (expression: string) => `import { file, role, stack } from 'converge-engine'
export default role('listing', { deploy(r, node) {
  file(r, { path: node.converge.prefix + '/hosts', content: JSON.stringify(${expression}) + '\\n' })
} })`

const planListing = ['plan', '--event', 'deploy', '--role', 'listing', '--node-json', 'stack.json']

for (const [expression, result] of [
  ['stack(node).name', 'shop'],
  ["stack(node).addresses({ layer: 'app' })", ['10.0.0.1', '10.0.0.2', '10.0.0.3']],
  ["stack(node).addresses({ layer: 'app', online: true })", ['10.0.0.1', '10.0.0.2']],
  ['stack(node).hosts({ online: false }).map((one) => [one.name, one.status])', [['app3', 'stopped']]],
  ["stack(node).first({ layer: 'app', online: true })?.isSelf", true],
  ['stack(node).self?.layers', ['app', 'cache']],
  ["stack(node).hosts({ layer: 'queue' })", []],
] as const)
  t.test(expression, (t) => {
    const files = { 'recipes/listing.ts': listing(expression), 'stack.json': stackJson }
    const { status, text } = converge(t, files, ...planListing)
    t.equal(status, 0, text)
    t.ok(text.includes(JSON.stringify(result)), text)
    t.end()
  })

t.test('a misspelt layer is an error at its line', (t) => {
  const recipe = listing("stack(node).hosts({ layer: 'appp' })")
  const files = { 'recipes/listing.ts': recipe, 'stack.json': stackJson }
  const { status, text } = converge(t, files, ...planListing)
  t.equal(status, 2, text)
  t.match(text, /recipes\/listing\.ts:3:\d+: the stack has no layer appp\n\s+hint: did you mean app\?/)
  t.end()
})

const wrapper = `import { file, role, roles, template } from 'converge-engine'
export default role('my-frontend', {
  extends: roles.frontend,
  attributes: { haproxy: { client_timeout: '47s' } },
  configure(r, node) {
    r.include(roles.frontend, 'configure')
    file(r, { path: node.converge.prefix + '/etc/motd', content: 'front end\\n' })
  },
})`

t.test('a role extends a built-in role, and includes its events', (t) => {
  const files = { 'recipes/wrapper.ts': wrapper, 'stack.json': stackJson }
  const { status, text } = converge(t, files, 'render', '--role', 'my-frontend', '--node-json', 'stack.json')
  t.equal(status, 0, text)
  t.match(text, /timeout client +47s/)
  t.match(text, /front end/)
  t.end()
})

t.test('a role overrides a file of a built-in role', (t) => {
  const recipe = `import { file, placed, role, roles } from 'converge-engine'
export default role('own-haproxy', {
  extends: roles.frontend,
  configure(r, node) {
    r.include(roles.frontend, 'configure')
    r.override(file, placed(node, '/etc/haproxy/haproxy.cfg'), { content: '# of our own\\n' })
  },
})`
  const files = { 'recipes/own.ts': recipe, 'stack.json': stackJson }
  const { status, text } = converge(t, files, 'render', '--role', 'own-haproxy', '--node-json', 'stack.json')
  t.equal(status, 0, text)
  t.match(text, /# of our own/)
  t.notMatch(text, /timeout client/)
  t.end()
})

t.test('all built-in roles are exported', async (t) => {
  const [{ catalogue }, { roles }] = await Promise.all([
    import('../../recipes/catalogue.ts'),
    import('../../recipes/api.ts'),
  ])
  t.same(
    Object.values(roles)
      .map(({ name }) => name)
      .sort(),
    Object.keys(catalogue.roles).sort(),
  )
})

const data = `import { file, readData, role, z } from 'converge-engine'
const vhosts = readData(import.meta.url, 'vhosts.yaml', z.array(z.strictObject({ name: z.string(), port: z.number().default(80) })))
export default role('data', { deploy(r, node) {
  file(r, { path: node.converge.prefix + '/vhosts', content: vhosts.map(({ name, port }) => name + ' ' + port).join('\\n') + '\\n' })
} })`

for (const [name, yaml, status, message] of [
  ['defaults', '- name: shop\n- { name: blog, port: 8080 }\n', 0, /shop 80\n.*blog 8080/],
  [
    'mistakes',
    '- name: 7\n- name: blog\n  prot: 1\n',
    2,
    /vhosts\.yaml:1:9: vhosts[^:]*name: expected text, got 7[\s\S]*vhosts\.yaml:3:\d+: .*prot/,
  ],
  ['a broken file', '- name: [shop\n', 2, /vhosts\.yaml:\d+:\d+: /],
] as const)
  t.test(`a data file: ${name}`, (t) => {
    const result = converge(
      t,
      { 'recipes/data.ts': data, 'recipes/vhosts.yaml': yaml },
      'plan',
      '--event',
      'deploy',
      '--role',
      'data',
    )
    t.equal(result.status, status, result.text)
    t.match(result.text, message)
    t.end()
  })

t.test('a missing data file', (t) => {
  const { status, text } = converge(t, { 'recipes/data.ts': data }, 'plan', '--event', 'deploy', '--role', 'data')
  t.equal(status, 2, text)
  t.match(text, /cannot read the data file \/recipes\/vhosts\.yaml: no such file/)
  t.end()
})

t.test('a directory of recipes that the options and the configuration both name is loaded once', (t) => {
  const recipe = `import { file, role } from 'converge-engine'
export const one = role('one', { deploy(r, node) { file(r, { path: node.converge.prefix + '/etc/one', content: '1' }) } })
export default role('other', { deploy() {} })`
  const config = "export default { recipes: ['./recipes', './recipes/../recipes', './recipes/one.ts'] }"
  const files = { 'recipes/one.ts': recipe, 'converge.config.js': config, 'package.json': '{"type":"module"}' }
  const { status, text } = converge(t, files, 'render', '--role', 'one,other', '--config', 'converge.config.js')
  t.match(text, /etc\/one/)
  t.equal(status, 0, text)
  t.end()
})

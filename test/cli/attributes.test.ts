/** Tests `converge attributes`: the merged layers, the origin of each value, and the schema. */
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const files = {
  'node.json': JSON.stringify(
    { plone_instances: { per_cpu: 3, app_name: 'site' }, opsworks: { stack: { name: 'demo' } } },
    null,
    2,
  ),
  'etc/10-host.yaml': 'converge:\n  python: python3.11\nplone_instances:\n  per_cpu: 4 # this host has slow disks\n',
  'etc/20-patch.json':
    '[\n  {"op": "add", "path": "/deploy_python/os_packages/-", "value": {"name": "libxml2", "version": ""}},\n  {"op": "replace", "path": "/plone_instances/per_cpu", "value": 5}\n]',
  'etc/README.md': 'not one of them',
  'site.json': '{\n  // for this deployment\n  "plone_instances": {"per_cpu": 6,},\n}',
  'more.yml': 'plone_instances:\n  enable_celery: true\n',
}

function sandboxWithFiles(t: Test): Sandbox {
  const sandbox = new Sandbox(t)
  sandbox.write(files)
  return sandbox
}

const all = ['--node-json', 'node.json', '--json', 'site.json', '--json', 'more.yml']

t.test('--explain prints every layer in its order, with file and line', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const env = { CONVERGE_ATTR_plone_instances__per_cpu: '7' }
  const { status, stdout, stderr } = await sandbox.converge(
    ['attributes', ...all, '--explain', 'plone_instances.per_cpu'],
    { env },
  )
  t.equal(status, 0, stderr)
  t.equal(stderr, '')
  t.equal(
    stdout.replaceAll(sandbox.directory, '@'),
    [
      'plone_instances.per_cpu = 7',
      '    deployment environment CONVERGE_ATTR_plone_instances__per_cpu 7',
      '    deployment site.json:3:34 6',
      '    host       @/etc/20-patch.json:3:66 5',
      '    host       @/etc/10-host.yaml:4:12 4',
      '    stack      node.json:3:16 3',
      '    schema     default 2',
      '',
    ].join('\n'),
  )
})

t.test('--origins prints what is set, and nothing that has its default', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const { status, stdout, stderr } = await sandbox.converge(['attributes', ...all, '--origins'])
  t.equal(status, 0, stderr)
  const shown = stdout.replaceAll(sandbox.directory, '@')
  t.match(
    shown,
    /^converge\.python = "python3\.11"\n {4}host +@\/etc\/10-host\.yaml:2:11 "python3\.11"\n {4}schema +default /m,
  )
  t.match(shown, /^plone_instances\.per_cpu = 6\n {4}deployment site\.json:3:34 6\n/m)
  t.match(shown, /^deploy_python\.os_packages = \[.*libxml2/m)
  t.notMatch(shown, /restart_delay|^cpu/m)
  const json = await sandbox.converge(['attributes', ...all, '--origins', '--json-output'])
  const { attributes } = JSON.parse(json.stdout)
  t.match(
    attributes.find(({ path }: { path: string }) => path === 'plone_instances.app_name'),
    { value: 'site', sensitive: false, origins: [{ kind: 'stack', source: { line: 4 } }, { kind: 'schema' }] },
  )
  t.match(await sandbox.converge(['attributes', '--origins', '--explain', 'x']), { status: 2 })
})

t.test('prints the merged values', async (t) => {
  const { status, stdout } = await sandboxWithFiles(t).converge(['attributes', ...all])
  t.equal(status, 0)
  t.match(JSON.parse(stdout), {
    plone_instances: { per_cpu: 6, app_name: 'site', enable_celery: true, restart_delay: Number },
    converge: { python: 'python3.11' },
    opsworks: { stack: { name: 'demo' } },
    deploy_python: { os_packages: [{ name: 'libxml2' }] },
  })
})

t.test('--explain prints all values below a key, and --json-output prints them as JSON', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const { stdout } = await sandbox.converge(['attributes', ...all, '--explain', 'converge.readiness', '--json-output'])
  const { attributes } = JSON.parse(stdout) as { attributes: { path: string; value: unknown; origins: unknown[] }[] }
  t.match(
    attributes.map(({ path }) => path),
    ['converge.readiness.path', 'converge.readiness.status.min', 'converge.readiness.status.max'],
  )
  t.match(attributes[0], { value: '/', sensitive: false, origins: [{ kind: 'schema', from: 'default', value: '/' }] })
})

t.test('reads attributes from standard input', async (t) => {
  const sandbox = sandboxWithFiles(t)
  for (const option of ['--json', '-j', '--node-json']) {
    const { stdout } = await sandbox.converge(['attributes', option, '-', '--explain', 'plone_instances.app_name'], {
      input: '{"plone_instances": {"app_name": "piped"}}',
    })
    t.match(stdout, /^plone_instances\.app_name = "piped"\n {4}(deployment|stack) +standard input:1:\d+ "piped"\n/)
  }
})

t.test('the attributes of roles are a layer, also if the attributes name the roles', async (t) => {
  const sandbox = sandboxWithFiles(t)
  sandbox.write({
    'recipes/web.ts':
      "import { role } from 'converge-engine'\nexport default role('web', { attributes: { plone_instances: { app_name: 'web' } } })",
    'roles.json': '{"converge": {"roles": ["web"]}}',
  })
  const explain = ['attributes', '--recipes', 'recipes', '--explain', 'plone_instances.app_name']
  const expected = /^plone_instances\.app_name = "web"\n {4}role +\S*recipes\/web\.ts:2:16 "web"/
  t.match((await sandbox.converge([...explain, '--role', 'web'])).stdout, expected)
  t.match((await sandbox.converge([...explain, '--json', 'roles.json'])).stdout, expected)
})

t.test('--explain names --prefix as the source of its value', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const { stdout } = await sandbox.converge(['attributes', '--prefix', 'site', '--explain', 'converge.prefix'])
  t.equal(
    stdout,
    `converge.prefix = "${sandbox.at('site')}"\n    deployment --prefix "${sandbox.at('site')}"\n    schema     default "/"\n`,
  )
})

t.test('--defaults reads no file, no environment and no host', async (t) => {
  const sandbox = sandboxWithFiles(t)
  sandbox.write({ 'converge.config.ts': 'throw new Error("it is not asked")' })
  const { status, stdout, stderr } = await sandbox.converge(['attributes', '--defaults'], {
    env: { CONVERGE_ATTR_plone_instances__per_cpu: '7' },
  })
  t.equal(status, 0, stderr)
  const defaults = JSON.parse(stdout) as Record<string, unknown>
  t.match(defaults, { plone_instances: { per_cpu: 2 }, converge: { prefix: '/' } })
  for (const fact of ['cpu', 'memory', 'hostname', 'fqdn']) t.notOk(fact in defaults, fact)
  const one = await sandbox.converge(['attributes', '--defaults', '--explain', 'plone_instances.per_cpu'])
  t.equal(one.stdout, 'plone_instances.per_cpu = 2\n    schema     default 2\n')
})

t.test('--schema prints the JSON Schema', async (t) => {
  const { status, stdout } = await sandboxWithFiles(t).converge(['attributes', '--schema'])
  t.equal(status, 0)
  t.match(JSON.parse(stdout), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: { plone_instances: { type: 'object', properties: { per_cpu: { default: 2, description: String } } } },
  })
})

t.test('prints warnings beside the values', async (t) => {
  const sandbox = sandboxWithFiles(t)
  sandbox.write({ 'odd.json': '{"plone_instances": {"per_cpus": 1}}' })
  const { status, stdout, stderr } = await sandbox.converge(['attributes', '--json', 'odd.json'])
  t.equal(status, 0)
  t.equal(
    stderr,
    'warning: odd.json:1:22: plone_instances.per_cpus is not a known attribute: it is kept, but nothing here reads it (did you mean plone_instances.per_cpu?)\n',
  )
  t.match(JSON.parse(stdout), { plone_instances: { per_cpus: 1 } })
})

/**
 * Tests `converge render`: runs every golden case through the command line, and compares the result with the cookbook's
 * by meaning.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { forPython3 } from '../support/golden.ts'
import { parseIni } from '../support/ini.ts'
import { Sandbox } from '../support/program.ts'

interface Golden {
  readonly role: string
  readonly node: Record<string, unknown>
  readonly relstorage_pack_layer?: boolean
  readonly expected: {
    readonly deploy_cfg: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
    readonly init_commands: readonly { readonly name: string; readonly cmd: string; readonly args?: string }[]
    readonly environment: Readonly<Record<string, string>>
  }
}

interface Rendered {
  readonly content: string
  readonly mode?: string
  readonly owner?: string
  readonly group?: string
}

const fixtures = new URL('../../fixtures/golden/', import.meta.url)
const cases = readdirSync(fixtures)
  .filter((name) => name !== 'default-attributes.json')
  .map((name) => [name, JSON.parse(forPython3(readFileSync(new URL(name, fixtures), 'utf8'))) as Golden] as const)
  .filter(([, { role }]) => ['zeo-client', 'zeo-server', 'solr'].includes(role))

t.ok(cases.length >= 16, 'all cases exist')
t.jobs = 3

async function render(
  t: Test,
  { role, node, relstorage_pack_layer }: Golden,
  option: string,
): Promise<Record<string, Rendered>> {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'node.json': JSON.stringify(node) })
  const before = sandbox.snapshot()
  const roles = relstorage_pack_layer ? `${role},relstorage-pack` : role
  const { status, stdout, stderr } = await sandbox.converge(['render', '--role', roles, option, 'node.json'])
  t.equal(status, 0, stderr)
  t.equal(stderr, '')
  t.strictSame(sandbox.snapshot(), before, 'nothing is touched')
  return (JSON.parse(stdout) as { files: Record<string, Rendered> }).files
}

for (const [name, golden] of cases)
  t.test(name, { buffered: true }, async (t) => {
    const files = await render(t, golden, '--node-json')
    const config = Object.entries(files).filter(([path]) => path.endsWith('/deploy.cfg'))
    t.equal(config.length, 1)
    const [, deployCfg] = config[0] ?? []
    compareDeployCfg(t, parseIni(deployCfg?.content ?? ''), golden.expected.deploy_cfg)
    t.match(deployCfg, { mode: '0600', owner: 'deploy', group: 'www-data' })
    comparePrograms(t, files, golden)
  })

/** Compares every section exactly, except [buildout], which may have additional options. */
function compareDeployCfg(
  t: Test,
  got: ReturnType<typeof parseIni>,
  requested: Golden['expected']['deploy_cfg'],
): void {
  const buildout = Object.fromEntries(
    Object.entries(got.buildout ?? {}).filter(([option]) => option in (requested.buildout ?? {})),
  )
  t.strictSame({ ...got, buildout }, requested)
}

/** Checks that exactly the expected programs exist, each with its command, directory and whole environment. */
function comparePrograms(t: Test, files: Readonly<Record<string, Rendered>>, { role, node, expected }: Golden): void {
  const attributes = node as Record<string, { app_name?: string } | undefined> & {
    deploy?: Record<string, { deploy_to?: string }>
  }
  const key = { 'zeo-client': 'plone_instances', 'zeo-server': 'plone_zeoserver', solr: 'plone_solr' }[role] ?? ''
  const app =
    attributes[key]?.app_name ?? (role === 'zeo-client' ? 'plone_instances' : role === 'solr' ? 'solr' : 'zeoserver')
  const root = `${attributes.deploy?.[app]?.deploy_to ?? `/srv/www/${app}`}/current`
  const got = Object.fromEntries(Object.values(files).flatMap(({ content }) => programsIn(content)))
  const requested = expected.init_commands.map(({ name, cmd, args }) => [
    name === app ? app : `${app}-${name}`,
    { command: `${root}/${cmd} ${args ?? ''}`.trim(), directory: root },
  ])
  t.match(got, Object.fromEntries(requested))
  t.strictSame(Object.keys(got).sort(), requested.map(([name]) => name).sort(), 'and no other')
  for (const { environment = '' } of Object.values(got))
    for (const [name, value] of Object.entries(expected.environment))
      t.ok(environment.includes(`${name}="${value.replaceAll('%', '%%')}"`), `${name} in ${environment}`)
}

function programsIn(text: string): [string, Record<string, string>][] {
  const [, name] = /^\[(?:program|eventlistener):(.+)\]$/m.exec(text) ?? []
  return name === undefined
    ? []
    : [
        [
          name,
          Object.fromEntries(
            [...text.matchAll(/^(\w+)\s*=\s*(.*)$/gm)].map(([, option = '', value = '']) => [option, value]),
          ),
        ],
      ]
}

t.test('--node-json accepts a plain custom JSON', { buffered: true }, async (t) => {
  for (const [name, golden] of cases.slice(0, 3))
    t.strictSame(await render(t, golden, '--json'), await render(t, golden, '--node-json'), name)
})

t.test('prints one file as text', { buffered: true }, async (t) => {
  const sandbox = new Sandbox(t)
  const [, golden] = cases[0] ?? []
  sandbox.write({ 'node.json': JSON.stringify(golden?.node) })
  const args = ['render', '--role', 'zeo-client', '--node-json', 'node.json']
  const { files } = JSON.parse((await sandbox.converge(args)).stdout) as { files: Record<string, Rendered> }
  for (const [path, { content }] of Object.entries(files)) {
    t.equal((await sandbox.converge([...args, '--path', path])).stdout, content)
    if (path.endsWith('/deploy.cfg'))
      t.equal((await sandbox.converge([...args, '--path', 'deploy.cfg'])).stdout, content)
  }
})

t.test('renders a custom role, with placeholders for values that only a run knows', { buffered: true }, async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/web.ts': `
      import { file, git_release, role, template, under } from 'converge-engine'
      export default role('web', {
        deploy(r, node) {
          const release = git_release(r, { into: '/srv/web/releases', shared: '/srv/web/shared', current: '/srv/web/current', repository: '/srv/web.git', revision: 'main' })
          template(r, { path: under(release.path, 'page.html'), source: 'on {{host}}', variables: { host: node.facts.hostname } })
          file(r, { path: '/etc/gone', absent: true })
          file(r, { path: '/etc/never', content: '', onlyIf: false })
          r.warn('mind the gap')
        },
      })`,
  })
  const { status, stdout, stderr } = await sandbox.converge(
    ['render', '--role', 'web', '--recipes', 'recipes', '--json', '-'],
    { input: '{"nonsense": 1}' },
  )
  t.equal(status, 0, stderr)
  t.strictSame(JSON.parse(stdout), { files: { '/srv/web/releases/<release>/page.html': { content: 'on localhost' } } })
  t.match(stderr, /^warning: standard input:1:2: nonsense is not a known attribute.*\nwarning: mind the gap\n$/)
})

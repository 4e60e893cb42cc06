/** Tests that a release which does not change the files of a program does not restart it. */
import t, { type Test } from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { failureOf, planOf } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const app = '/srv/www/zeo'
const loads = { current: `${app}/current`, paths: ['bin/zeoserver', 'parts/zeoserver/etc/zeo.conf'] }

type Files = Readonly<Record<string, string>>

const eggs = (release: string) => {
  const lines = ['eggs/ZEO-5.4.egg', 'src/site'].map((path) => `  '${release}/${path}',\n`)
  return release.endsWith('2') ? lines.reverse() : lines
}

const files = (release: string): Files => ({
  // The order differs in the second build, as zc.buildout writes it.
  'bin/zeoserver': `#!/env/bin/python\nsys.path[0:0] = [\n${eggs(release).join('')}  ]\nmain(['-C', '${release}/parts/zeoserver/etc/zeo.conf'])\n`,
  'parts/zeoserver/etc/zeo.conf': `%define INSTANCE ${release}/parts/zeoserver\naddress 8001\npath ${release}/var/Data.fs\n<runner>\n  program $INSTANCE/bin/runzeo\n  directory $INSTANCE\n</runner>\n`,
  // plone.recipe.zeoserver writes the eggs in a different order in each build.
  'parts/zeoserver/bin/runzeo': `PYTHONPATH="${release.endsWith('2') ? '/a:/b:' : '/b:/a:'}"\n`,
  'parts/zeoserver/etc/.eggs': release.endsWith('2') ? '/a\n/b' : '/b\n/a',
  'src/site/__init__.py': 'import site.conflicts\n',
  'src/other/__init__.py': 'unrelated\n',
})

interface Options {
  readonly environment?: Record<string, string>
  readonly withLoads?: boolean
}

/** @param base the real directory of the app */
function site(base = app) {
  const fake = new FakeSupervisor({ programs: { zeo: { startsecs: 1 } } })
  const reported: string[] = []
  const host = new VirtualHost({ requests: fake.requests }).given('/etc/supervisor/conf.d', null)
  const release = (id: string, changed: (release: string) => Files = () => ({})) => {
    const path = `${base}/releases/${id}`
    for (const [name, text] of Object.entries({ ...files(path), ...changed(path) })) host.given(`${path}/${name}`, text)
    host.given(`${path}/eggs`, { link: `${base}/shared/eggs` }).given(`${path}/var`, { link: `${base}/shared/var` })
    return `${app}/releases/${id}`
  }
  const deploy = async (t: Test, path: string, { environment = {}, withLoads = true }: Options = {}) => {
    const before = started()
    const report = await converge(
      planOf((r) => {
        const current = symlink(r, { path: `${app}/current`, target: path })
        const program = supervisor_program(r, { name: 'zeo', command: 'x', environment })
        const service = { name: 'zeo', configuration: program.digest, ...(withLoads ? { loads } : {}) }
        service_restart(r, { services: [service], provider: { kind: 'supervisor' }, when: [current] })
      }),
      host,
      { id: 'test', mode: 'run', handlers: [{ progress: (_, line) => void reported.push(line) }] },
    )
    t.strictSame(failureOf(report), undefined)
    return started() - before
  }
  const started = () => host.changes.filter((change) => change.includes('startProcess')).length
  return { host, release, deploy, reported }
}

t.test('does not restart for a release with the same files', async (t) => {
  const { release, deploy } = site()
  t.equal(await deploy(t, release('1')), 1)
  t.equal(
    await deploy(
      t,
      release('2', (path) => ({ 'src/other/__init__.py': `other ${path}` })),
    ),
    0,
  )
  t.equal(await deploy(t, release('3')), 0, 'compared with what it loaded, not with the release before')
  t.equal(await deploy(t, `${app}/releases/1`), 0, 'a rollback')
})

t.test('restarts for a change of any loaded file, and the progress names the file', async (t) => {
  const changes: Record<string, (path: string) => Files> = {
    'parts/zeoserver/etc/zeo.conf': (path) => ({
      'parts/zeoserver/etc/zeo.conf': files(path)['parts/zeoserver/etc/zeo.conf']?.replace('8001', '8100') ?? '',
    }),
    'src/site/__init__.py': () => ({ 'src/site/__init__.py': 'import site.other_conflicts\n' }),
    'bin/zeoserver': (path) => ({ 'bin/zeoserver': files(path)['bin/zeoserver']?.replace('5.4', '5.5') ?? '' }),
    'parts/zeoserver/etc/more.conf': () => ({ 'parts/zeoserver/etc/more.conf': 'new\n' }),
  }
  for (const [path, change] of Object.entries(changes)) {
    const { release, deploy, reported } = site()
    await deploy(t, release('1'))
    t.equal(await deploy(t, release('2', change)), 1, path)
    t.ok(
      reported.some((line) => line === `restarting zeo (1 of 1): ${path} differs`),
      path,
      { reported },
    )
    t.equal(await deploy(t, release('3', change)), 0, `${path}: the same again`)
  }
})

t.test('finds files by relative paths of scripts', async (t) => {
  const { release, deploy } = site()
  const script = { 'bin/zeoserver': "base = dirname(base)\nsys.path[0:0] = [join(base, 'src/site')]\n" }
  await deploy(
    t,
    release('1', () => script),
  )
  t.equal(
    await deploy(
      t,
      release('2', () => script),
    ),
    0,
  )
  t.equal(
    await deploy(
      t,
      release('3', () => ({ ...script, 'src/site/__init__.py': 'changed\n' })),
    ),
    1,
  )
})

t.test('restarts for its own configuration, and for a process that it did not start', async (t) => {
  const { release, deploy } = site()
  await deploy(t, release('1'))
  t.equal(await deploy(t, release('2'), { environment: { A: '1' } }), 1)
  t.equal(await deploy(t, release('4'), { environment: { A: '1' } }), 0)
})

t.test('restarts if the loaded files are unknown', async (t) => {
  const { host, release, deploy } = site()
  await deploy(t, release('1'))
  const path = release('2')
  host.remove(`${path}/parts`)
  t.equal(await deploy(t, path), 1)
})

t.test('restarts nothing on a host of an earlier version until the next release', async (t) => {
  const { release, deploy } = site()
  const first = release('1')
  await deploy(t, first, { withLoads: false })
  t.equal(await deploy(t, first), 0)
  t.equal(await deploy(t, release('2')), 0)
})

t.test('finds files of an app behind a link, where buildout writes the real path', async (t) => {
  const { host, release, deploy } = site('/data/zeo')
  host.given(app, { link: '/data/zeo' })
  await deploy(t, release('1'))
  t.equal(await deploy(t, release('2')), 0)
})

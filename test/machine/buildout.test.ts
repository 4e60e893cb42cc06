/** Tests real buildouts with a test recipe that builds, fails, hangs or leaves half-written files. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { milliseconds, seconds } from '../../core/model/units.ts'
import { buildout } from '../../resources/python/buildout.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { failureOf, patchOf } from '../support/contract.ts'
import { directoryOf, needs, sameAs, scratch } from '../support/machine.ts'

const isRoot = process.getuid?.() === 0
/** Builds run as this account, never as root. */
const account = isRoot ? { user: 'nobody' } : {}
const owner = isRoot ? 'nobody' : undefined
const brief = { skip: process.env.CONVERGE_TEST_BRIEF !== undefined }

/** A handmade wheel with one recipe, which needs no build backend, and a library without code. */
const wheels = `
import sys, zipfile
def wheel(name, files, entry=''):
    info = name + '-1.0.dist-info/'
    files = dict(files)
    files[info + 'METADATA'] = 'Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0\\n' % name
    files[info + 'WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    files[info + 'top_level.txt'] = name + '\\n'
    if entry: files[info + 'entry_points.txt'] = entry
    files[info + 'RECORD'] = ''.join(path + ',,\\n' for path in [*files, info + 'RECORD'])
    with zipfile.ZipFile(sys.argv[1] + '/%s-1.0-py3-none-any.whl' % name, 'w') as archive:
        for path, text in files.items(): archive.writestr(path, text)
wheel('odd_recipe', {'odd_recipe/__init__.py': open(sys.argv[2]).read()}, '[zc.buildout]\\ndefault = odd_recipe:Recipe\\n')
wheel('tiny', {'tiny/__init__.py': 'GREETING = "hello"\\n'})
`

const recipe = `
import os, time
class Recipe:
    def __init__(self, buildout, name, options):
        self.eggs, self.downloads = buildout['buildout']['eggs-directory'], buildout['buildout']['download-cache']
        self.directory, self.options = buildout['buildout']['directory'], options
    def install(self):
        mode = open(self.directory + '/mode').read().strip()
        log = open(self.directory + '/../../log', 'a')
        log.write('start %s\\n' % self.directory[-1]); log.flush()
        print('mode', mode, os.environ.get('GREETING'), os.getuid(), flush=True)
        if mode != 'build':
            os.makedirs(self.eggs + '/half-1.0-py3.11.egg'); os.makedirs(self.eggs + '/tmpq1w2e3r4/half')
            open(self.downloads + '/dist/cut-1.0.whl', 'w').write('PK')
            open(self.directory + '/pid', 'w').write(str(os.getpid()))
        if mode == 'fail': raise ValueError('no such database')
        time.sleep(60 if mode == 'hang' else 0.5)
        log.write('end %s\\n' % self.directory[-1]); log.flush()
        path = self.directory + '/bin/made'
        open(path, 'w').write('made')
        return [path]
    update = install
`

const config = (parts: string) => `[buildout]
parts = ${parts}
eggs-directory = eggs
download-cache = downloads
find-links = \${buildout:directory}/../../wheels
index = file:///nowhere
allow-hosts = none
[odd]
recipe = odd_recipe
`

interface Site {
  readonly directory: string
  readonly shared: string
  readonly program: string
  readonly host: LocalHost
}

let environment: string | undefined

/** Makes one virtualenv with zc.buildout for all tests of this file. */
async function environmentOf(t: Test): Promise<string> {
  if (environment !== undefined) return environment
  const directory = scratch(t)
  const path = `${directoryOf(directory, 'home', owner)}/env`
  const packages = { 'zc.buildout': '6.0.1', setuptools: '84.2.1', 'zc.recipe.egg': '6.0.0' }
  const plan = compile(
    [
      role<unknown>('t', {
        deploy: (r) => void virtualenv(r, { path, python: '/usr/bin/python3', packages, ...account }),
      }),
    ],
    ['deploy'],
    {},
  )
  const report = await converge(plan, new LocalHost(`${directory}/state`), { id: 't', mode: 'run' })
  t.strictSame(failureOf(report), undefined, 'the environment is made')
  environment = path
  return path
}

async function siteOf(t: Test): Promise<Site> {
  const program = `${environment}/bin/buildout`
  const directory = directoryOf(scratch(t), 'site', owner)
  for (const name of ['wheels', 'shared', 'shared/eggs', 'shared/downloads', 'releases'])
    directoryOf(directory, name, owner)
  writeFileSync(`${directory}/recipe.py`, recipe)
  writeFileSync(`${directory}/wheels.py`, wheels)
  t.equal(
    spawnSync('/usr/bin/python3', [`${directory}/wheels.py`, `${directory}/wheels`, `${directory}/recipe.py`]).status,
    0,
  )
  return { directory, shared: `${directory}/shared`, program, host: new LocalHost(`${directory}/../state`) }
}

type Mode = 'build' | 'fail' | 'hang'

function release({ directory, shared }: Site, name: string, mode: Mode, text = config('odd')): string {
  const path = directoryOf(`${directory}/releases`, name, owner)
  writeFileSync(`${path}/deploy.cfg`, text)
  writeFileSync(`${path}/mode`, mode)
  for (const link of ['eggs', 'downloads'])
    if (!existsSync(`${path}/${link}`)) spawnSync('ln', ['-s', `${shared}/${link}`, `${path}/${link}`])
  return path
}

function planOf(site: Site, directory: string, more: object = {}) {
  const props = { directory, shared: site.shared, buildout: site.program, flags: '-N', ...account, ...more }
  return compile([role<unknown>('t', { deploy: (r) => void buildout(r, props) })], ['deploy'], {})
}

function run(site: Site, directory: string, more: object = {}, reported: string[] = []) {
  const handlers = [{ progress: (_: string, line: string) => void reported.push(line) }]
  return converge(planOf(site, directory, more), site.host, { id: 't', mode: 'run', handlers })
}

/** Lists names in the shared directories, without the part that identifies the Python. */
function shared(site: Site): string[] {
  const eggs = `${site.shared}/eggs`
  return spawnSync('find', [eggs, `${site.shared}/downloads`, '-maxdepth', '3', '-mindepth', '1', '-printf', '%P\\n'], {
    encoding: 'utf8',
  })
    .stdout.split('\n')
    .filter((path) => /(\.egg|\.whl|tmp\w+)$/.test(path))
    .map((path) => path.replace(/^v\d+\/cp3\d+\//, '').replace(/-py3.*\.egg$/, '.egg'))
    .sort()
}

function alive(directory: string): boolean {
  return existsSync(`/proc/${readFileSync(`${directory}/pid`, 'utf8')}`)
}

async function until(site: Site, holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 300; tries++) {
    if (holds()) return true
    await site.host.sleep(milliseconds(100))
  }
  return false
}

t.test('buildout', async (t) => {
  if (!needs(t, ['python3 venv', 'pip registry', ...(isRoot ? (['nobody'] as const) : [])])) return
  await environmentOf(t)

  t.test('builds without parts', async (t) => {
    const site = await siteOf(t)
    const directory = release(site, '1', 'build', config(''))
    const planned = await converge(planOf(site, directory), new VirtualHost({ base: site.host }), {
      id: 'p',
      mode: 'plan',
    })
    t.notOk(existsSync(`${directory}/bin`), 'a dry run builds nothing')
    const report = await run(site, directory)
    t.strictSame(failureOf(report), undefined)
    t.strictSame(patchOf(planned), patchOf(report))
    t.ok(existsSync(`${directory}/develop-eggs`))
    t.equal((await run(site, directory)).outcome, 'unchanged')
  })

  t.test('builds with a recipe and an egg, its environment, and live output', async (t) => {
    const site = await siteOf(t)
    const text = `${config('odd py')}[py]\nrecipe = zc.recipe.egg\neggs = tiny\ninterpreter = py\n`
    const directory = release(site, '1', 'build', text)
    const reported: string[] = []
    t.strictSame(failureOf(await run(site, directory, { environment: { GREETING: 'hi' } }, reported)), undefined)
    t.ok(reported.some((line) => /^mode build hi \d+$/.test(line)))
    t.notOk(
      reported.some((line) => /^mode build hi 0$/.test(line)),
      'not as root',
    )
    t.equal(
      spawnSync(`${directory}/bin/py`, ['-c', 'import tiny; print(tiny.GREETING)'], { encoding: 'utf8' }).stdout,
      'hello\n',
    )
    t.match(readdirSync(`${site.shared}/eggs/v5`), [/^cp3\d+$/], 'apart for each Python')
    t.equal((await run(site, directory, { environment: { GREETING: 'hi' } })).outcome, 'unchanged')
    t.equal(
      (await run(site, directory, { environment: { GREETING: 'hi' }, inputs: { release: '2' } })).outcome,
      'changed',
    )
  })

  t.test('a failed build displays its last lines, and the next run retries', async (t) => {
    const site = await siteOf(t)
    const directory = release(site, '1', 'fail')
    const failure = failureOf(await run(site, directory))
    t.match(failure, {
      code: 'BUILDOUT_FAILED',
      output: /mode fail(.|\n)*ValueError: no such database$/,
      hint: /test it with: cd .* && .*bin\/buildout -c deploy\.cfg/,
    })
    t.strictSame(shared(site), ['half-1.0.egg', 'odd_recipe-1.0.egg'], 'eggs stay, halves and downloads do not')
    t.equal(failureOf(await run(site, directory)) === undefined, false, 'it is tried again')
    release(site, '1', 'build')
    t.strictSame(failureOf(await run(site, directory)), undefined)
    t.equal((await run(site, directory)).outcome, 'unchanged')
  })

  t.test('reports a build that fails before it begins', brief, async (t) => {
    const site = await siteOf(t)
    t.match(failureOf(await run(site, release(site, '1', 'build', 'no section\n'))), { output: /no section/ })
    const missing = release(site, '2', 'build', `${config('x')}[x]\nrecipe = there.is.no.such.recipe\n`)
    t.match(failureOf(await run(site, missing)), { output: /there\.is\.no\.such\.recipe/ })
    t.match(failureOf(await run(site, `${site.directory}/releases/3`)), { code: 'ENOENT' })
    t.match(failureOf(await run(site, missing, { buildout: '/nowhere/bin/buildout' })), { code: 'NO_PROGRAM' })
  })

  t.test('a timeout ends a build with all its processes', async (t) => {
    const site = await siteOf(t)
    const directory = release(site, '1', 'hang')
    const began = performance.now()
    t.match(failureOf(await run(site, directory, { timeout: seconds(4) })), {
      code: 'BUILDOUT_TIMEOUT',
      message: /did not end within 4 s/,
      output: /mode hang/,
    })
    t.ok(performance.now() - began < 20_000)
    t.equal(alive(directory), false)
    t.strictSame(shared(site), ['half-1.0.egg', 'odd_recipe-1.0.egg'])
    t.strictSame(readdirSync(`${directory}/bin`), [], 'nor do its own parts stay')
  })

  t.test('after a killed run, the build ends, and nothing of it counts as complete', async (t) => {
    const site = await siteOf(t)
    const before = release(site, '0', 'build')
    t.strictSame(failureOf(await run(site, before)), undefined)
    const kept = shared(site)
    const directory = release(site, '1', 'hang')
    const script = fileURLToPath(new URL('./support/build.ts', import.meta.url))
    const props = { directory, shared: site.shared, buildout: site.program, flags: '-N', ...account }
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', script, `${site.directory}/../state`, JSON.stringify(props)],
      { stdio: 'ignore' },
    )
    t.ok(await until(site, () => existsSync(`${directory}/pid`)), 'it is at work')
    child.kill('SIGKILL')
    t.ok(await until(site, () => !alive(directory)), 'buildout ends with the run that started it')
    t.strictSame(
      shared(site).filter((path) => !kept.includes(path)),
      ['dist/cut-1.0.whl', 'half-1.0.egg', 'tmpq1w2e3r4'],
    )
    release(site, '1', 'build')
    const reported: string[] = []
    t.strictSame(failureOf(await run(site, directory, {}, reported)), undefined)
    t.match(reported[0], /an earlier build was killed/)
    t.strictSame(shared(site), kept)
    t.ok(existsSync(`${directory}/bin/made`))
    t.ok(existsSync(`${before}/bin/made`), 'the other release is as it was')
  })

  t.test('two builds at the same time take turns', async (t) => {
    const site = await siteOf(t)
    const releases = ['1', '2', '3'].map((name) => release(site, name, 'build'))
    const reports = await Promise.all(releases.map((directory) => run(site, directory)))
    t.strictSame(reports.map(failureOf), [undefined, undefined, undefined])
    const log = readFileSync(`${site.directory}/log`, 'utf8').trim().split('\n')
    t.equal(log.length, 6)
    for (let at = 0; at < log.length; at += 2)
      t.equal(log[at]?.replace('start', 'end'), log[at + 1], 'one ends before the next starts')
  })

  t.test('runs bootstrap first', brief, async (t) => {
    const site = await siteOf(t)
    const directory = release(site, '1', 'build')
    t.strictSame(failureOf(await run(site, directory, { bootstrapParams: '-N' })), undefined)
    t.ok(existsSync(`${directory}/bin/buildout`))
  })

  t.test('refuses to build as root without permission', async (t) => {
    if (!needs(t, ['root'])) return
    const site = await siteOf(t)
    const directory = release(site, '1', 'build')
    t.match(failureOf(await run(site, directory, { user: undefined })), {
      code: 'BUILDOUT_AS_ROOT',
      hint: /hostile setup\.py/,
    })
    t.match(failureOf(await run(site, directory, { user: 'root' })), { code: 'BUILDOUT_AS_ROOT' })
    t.notOk(existsSync(`${site.directory}/log`), 'nothing was run')
    t.strictSame(failureOf(await run(site, directory, { user: undefined, allowRoot: true })), undefined)
  })

  t.test('a build cannot write its shared files', async (t) => {
    const site = await siteOf(t)
    const directory = release(site, '1', 'build')
    spawnSync('chmod', ['0555', `${site.shared}/eggs`])
    t.match(failureOf(await run(site, directory)), { code: 'BUILDOUT_FAILED', output: /Permission denied/ })
    spawnSync('chmod', ['0755', `${site.shared}/eggs`])
    t.strictSame(failureOf(await run(site, directory)), undefined)
  })
})

t.test('an ordinary user builds as well', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  sameAs(t, 'nobody', fileURLToPath(import.meta.url))
})

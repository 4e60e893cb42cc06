/** Tests a custom recipe as in the documentation: the built program runs it along with the built-in roles. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { needs, scratch } from '../support/machine.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const example = join(project, 'fixtures', 'custom-recipe')
const { bin } = z
  .object({ bin: z.object({ converge: z.string() }) })
  .parse(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')))
const program = join(project, bin.converge)

if (!existsSync(program)) execFileSync(process.execPath, [join(project, 'build.mjs')], { stdio: 'ignore' })

const stack = (status: string) => ({
  opsworks: {
    stack: { name: 'example' },
    layers: {
      zeoserver: { instances: { zeo1: { status: 'online', private_ip: '10.0.0.5' } } },
      plone_instances: { instances: { plone1: { status, private_ip: '10.0.0.11' } } },
    },
  },
})

/** Makes a site for each test: a copy of the example, a stack, a prefix and a cache. */
function site(t: Test) {
  const directory = scratch(t)
  writeFileSync(join(directory, 'stack.json'), JSON.stringify(stack('online')))
  mkdirSync(join(directory, 'etc'))
  const recipes = join(directory, 'recipes')
  cpSync(example, recipes, { recursive: true })
  const at = (...parts: string[]) => join(directory, ...parts)
  const run = (args: readonly string[], from = program) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        from,
        ...args,
        '--recipes',
        recipes,
        '--node-json',
        at('stack.json'),
        '--config-dir',
        at('etc'),
        '--prefix',
        at('root'),
      ],
      {
        encoding: 'utf8',
        cwd: directory,
        env: { ...process.env, XDG_CACHE_HOME: at('cache'), NO_COLOR: '1', NODE_OPTIONS: '' },
      },
    )
    return { status, stdout, stderr }
  }
  const edit = (name: string, change: (text: string) => string) =>
    writeFileSync(join(recipes, name), change(readFileSync(join(recipes, name), 'utf8')))
  return { at, run, edit, recipes }
}

function linesWith(text: string, word: string): string[] {
  return text.split('\n').filter((line) => line.includes(word))
}

t.test('a plan predicts the run, and a second run does nothing', async (t) => {
  const { at, run } = site(t)
  const plan = run(['plan', '--role', 'status-page'])
  t.equal(plan.status, 0, plan.stderr)
  t.match(plan.stdout, '5 would change')
  t.match(plan.stdout, '+<li>plone1: online</li>')
  t.notOk(existsSync(at('root')), 'a plan writes nothing')

  const first = run(['--role', 'status-page'])
  t.equal(first.status, 0, first.stderr)
  t.match(first.stdout, '5 changed')
  t.strictSame(linesWith(first.stdout, at('root')), linesWith(plan.stdout, at('root')), 'as planned')
  t.match(readFileSync(at('root/srv/www/status/index.html'), 'utf8'), '<li>plone1: online</li>')
  t.equal(readFileSync(at('root/etc/hosts'), 'utf8'), '10.0.0.5\tzeo\n')
  const page = execFileSync('gzip', ['-dc', at('root/srv/www/status/index.html.gz')], { encoding: 'utf8' })
  t.equal(page, readFileSync(at('root/srv/www/status/index.html'), 'utf8'))

  const second = run(['--role', 'status-page', '--detailed-exit-code'])
  t.equal(second.status, 0, second.stderr)
  t.match(second.stdout, 'nothing to do: 5 unchanged')
})

t.test('repeats only the steps that depend on a change', async (t) => {
  const { at, run } = site(t)
  t.equal(run(['--role', 'status-page']).status, 0)
  writeFileSync(at('stack.json'), JSON.stringify(stack('stopped')))
  const { status, stdout } = run(['configure', '--role', 'status-page', '--detailed-exit-code'])
  t.equal(status, 3)
  t.match(stdout, '+<li>plone1: stopped</li>')
  t.match(stdout, 'execute compress the status page')
  t.notMatch(stdout, 'host_alias')
  t.match(stdout, '2 changed, 1 unchanged')
})

t.test('a custom resource keeps the other lines of the file', async (t) => {
  const { at, run } = site(t)
  mkdirSync(at('root/etc'), { recursive: true })
  const mine = '127.0.0.1\tlocalhost\n# the old server\n10.0.0.4\tzeo db # until May\n10.0.0.3 zeo\n\nfe80::1 router\n'
  writeFileSync(at('root/etc/hosts'), mine)
  const { status, stdout, stderr } = run(['--role', 'status-page'])
  t.equal(status, 0, stderr)
  t.match(stdout, /~ host_alias zeo in .*\n +addresses\.0: 10\.0\.0\.4 -> 10\.0\.0\.5\n/)
  t.equal(
    readFileSync(at('root/etc/hosts'), 'utf8'),
    '127.0.0.1\tlocalhost\n# the old server\n10.0.0.4\tdb # until May\n\nfe80::1 router\n10.0.0.5\tzeo\n',
  )
  t.match(run(['--role', 'status-page']).stdout, 'nothing to do')
})

t.test('a custom role runs beside the built-in roles', async (t) => {
  if (!needs(t, ['git'])) return
  const { at, run } = site(t)
  cpSync(join(project, 'fixtures', 'example-buildout'), at('site'), { recursive: true })
  const git = (...args: string[]) => execFileSync('git', ['-C', at('site'), ...args], { stdio: 'ignore' })
  git('init', '-q')
  git('add', '.')
  git('-c', 'user.name=example', '-c', 'user.email=example@example.org', 'commit', '-qm', 'The site')
  const { username, gid } = userInfo()
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim()
  const app = {
    scm: { scm_type: 'git', repository: at('site') },
    user: username,
    group,
    buildout_allow_root: gid === 0,
  }
  writeFileSync(
    at('site.json'),
    JSON.stringify({ deploy: { plone_instances: app }, plone_instances: { instance_count: 2 } }),
  )

  const { status, stdout, stderr } = run(['plan', '--role', 'status-page,zeo-client', '--json', at('site.json')])
  t.equal(status, 0, stderr)
  const order = [
    /^ {2}\+ template .*index\.html /m,
    /^ {2}~ host_alias zeo /m,
    /^ {2}~ git_release /m,
    /^ {6}\+address = 10\.0\.0\.5:8001$/m,
    /^ {2}\+ supervisor_program plone_instances-client2\b/m,
  ].map((line) => stdout.search(line))
  t.strictSame(
    order,
    [...order].sort((a, b) => a - b),
    'in the order of the roles',
  )
  t.notOk(order.includes(-1), 'the diff contains every change')
  t.notOk(existsSync(at('root')))
  t.match(run(['plan', '--role', 'status-pge']).stderr, /unknown role status-pge\n {2}hint: did you mean status-page\?/)
})

t.test('reports a mistake in a recipe with its line', async (t) => {
  const { run, edit, recipes } = site(t)
  edit('status_page.ts', (text) => text.replace("mode: '0644'", "mode: '644', ownr: 'root'"))
  const line =
    1 +
    readFileSync(join(recipes, 'status_page.ts'), 'utf8')
      .split('\n')
      .findIndex((text) => text.includes('template(r, {'))
  const invalid = run(['plan', '--role', 'status-page'])
  t.equal(invalid.status, 2)
  t.match(invalid.stderr, `${join(recipes, 'status_page.ts')}:${line}:`)
  t.match(invalid.stderr, 'template has no property ownr\n  hint: did you mean owner?')
  t.match(invalid.stderr, 'template: property mode: a mode as four octal digits, e.g. \'0640\' (got "644")')

  edit('status_page.ts', (text) => text.replace("mode: '644', ownr: 'root'", "mode: JSON.parse('{')"))
  const thrown = run(['plan', '--role', 'status-page'])
  t.not(thrown.status, 0)
  t.match(
    thrown.stderr,
    new RegExp(`${join(recipes, 'status_page.ts')}:\\d+:\\d+: .*SyntaxError`),
    'also where it throws',
  )

  edit('status_page.ts', (text) => text.replace("mode: JSON.parse('{')", 'mode: '))
  const broken = run(['plan', '--role', 'status-page'])
  t.equal(broken.status, 2)
  t.match(broken.stderr, new RegExp(`^error: ${join(recipes, 'status_page.ts')}:\\d+:\\d+: Unexpected`, 'm'))
})

t.test('a failure in a run names the line of the recipe, or of the template', async (t) => {
  const { run, edit, recipes } = site(t)
  edit('status_page.ts', (text) => text.replace("name: 'zeo'", "name: 'localhost'"))
  const refused = run(['--role', 'status-page'])
  t.equal(refused.status, 1)
  t.match(refused.stdout, `localhost is not a name to be moved (${join(recipes, 'status_page.ts')}:`)
  t.match(refused.stdout, 'hint: programs on this host count on it')
  t.match(refused.stdout, '1 failed')

  edit('status.html.hbs', (text) => text.replace('<h1>{{stack}}</h1>', '<h1>{{stak}}</h1>'))
  const { status, stdout } = run(['plan', '--role', 'status-page'])
  t.equal(status, 1)
  t.match(stdout, /status\.html\.hbs:3:\d+: "stak" is not among the variables .*\/status_page\.ts:\d+:\d+\)/)
  t.match(stdout, 'hint: it gets: layers, stack')
})

t.test('needs the compiler only after a file of the recipe has changed', async (t) => {
  const { at, run, edit } = site(t)
  t.equal(run(['--role', 'status-page']).status, 0)
  const cache = at('cache/converge')
  const cachedFiles = () => readdirSync(cache).map((name) => `${name} ${statSync(join(cache, name)).mtimeMs}`)
  const before = cachedFiles()
  t.ok(before.length > 0)
  t.equal(statSync(cache).mode & 0o777, 0o700, 'what is run from there is nobody else’s to write')

  // A copy of the program, with a fake esbuild that only reports that it was loaded.
  cpSync(dirname(program), at('alone'), { recursive: true })
  mkdirSync(at('alone/node_modules/esbuild'), { recursive: true })
  writeFileSync(at('alone/node_modules/esbuild/index.js'), "throw new Error('the compiler was loaded')")
  const alone = at('alone', bin.converge.replace(/^.*\//, ''))
  const cached = run(['--role', 'status-page'], alone)
  t.equal(cached.status, 0, cached.stderr)
  t.match(cached.stdout, 'nothing to do')
  t.strictSame(cachedFiles(), before)

  edit('resources/host_alias.ts', (text) => `${text}// changed\n`)
  const stale = run(['plan', '--role', 'status-page'], alone)
  t.match(stale.stderr, 'the compiler was loaded', 'an imported file counts as well')
  t.equal(run(['plan', '--role', 'status-page']).status, 0)
  t.strictNotSame(cachedFiles(), before)
})

t.test('undeploy removes what a custom role has created', async (t) => {
  const { at, run } = site(t)
  t.equal(run(['--role', 'status-page']).status, 0)
  t.equal(run(['undeploy', '--role', 'status-page']).status, 0)
  t.notOk(existsSync(at('root/srv/www/status')))
  t.ok(existsSync(at('root/etc/hosts')))
})

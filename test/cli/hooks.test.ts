/** Tests `hooks` on the command line: the command that the scheduler runs, and rejected options. */
import { existsSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

const recipe = `import { role } from 'converge-engine'\nexport default role('web', { setup() {} })\n`
const systemd = existsSync('/run/systemd/system')

t.test('install stores the same roles and files, with absolute paths', async (t) => {
  if (!needs(t, ['crontab'])) return
  const sandbox = new Sandbox(t)
  sandbox.write({ 'own/web.ts': recipe, 'site.json': '{}', 'converge.config.ts': 'export default {}\n' })
  const words = [
    '--role',
    'web',
    '--recipes',
    'own',
    '--json',
    'site.json',
    '--config',
    'converge.config.ts',
    '--interval',
    '15m',
    '--jitter',
    '30s',
  ]
  const { status, stdout, stderr } = await sandbox.converge(['hooks', 'install', '--dry-run', '--verbose', ...words])
  t.equal(status, 0, stderr)
  const called = `--quiet --wait 600 --role web --json ${sandbox.at('site.json')} --config-dir ${sandbox.at('etc')}`
  t.match(
    stdout,
    `dist/start.cjs configure ${called} --recipes ${sandbox.at('own')} --config ${sandbox.at('converge.config.ts')}`,
  )
  t.match(stdout, `dist/start.cjs apply ${called}`)
  t.match(stdout, `${sandbox.state}/first-boot-done`)
  t.match(stdout, systemd ? 'OnUnitInactiveSec=900s' : '*/15 * * * * ')
  const other = await sandbox.converge(['hooks', 'install', '--dry-run', '--program', '/bin/true', ...words])
  t.match(other.stdout, '/bin/true configure --quiet')
  const bare = ['hooks', 'install', '--dry-run', '--bare', '--program', sandbox.at('to come')]
  t.match(
    (await sandbox.converge([...bare, ...words])).stdout,
    new RegExp(`${sandbox.at('to come')}['"] configure --quiet --wait 600`),
  )
})

t.test('the default jitter is less than the interval', async (t) => {
  if (!needs(t, ['crontab'])) return
  const sandbox = new Sandbox(t)
  sandbox.write({ 'own/web.ts': recipe })
  const jitter = async (...words: string[]) => {
    const all = ['hooks', 'install', '--dry-run', '--verbose', '--role', 'web', '--recipes', 'own', ...words]
    const { stdout } = await sandbox.converge(all)
    return /RandomizedDelaySec=(\d+)|shuf -i 0-(\d+)/.exec(stdout)?.slice(1).join('') ?? '0'
  }
  t.equal(await jitter(), '600')
  t.equal(await jitter('--interval', '6h'), '600')
  t.equal(await jitter('--interval', '1m'), '20')
  t.equal(await jitter('--interval', '1m', '--jitter', '5m'), '300')
})

t.test('install refuses what would fail at every call', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'own/web.ts': recipe, 'site.json': '{"deploy": 1}' })
  const refused: [words: string[], says: RegExp][] = [
    [[], /no role is given/],
    [['--role', 'wbe', '--recipes', 'own'], /unknown role wbe/],
    [['--role', 'web', '--recipes', 'nowhere'], /no such file or directory/],
    [['--role', 'web', '--recipes', 'own', '--json', 'site.json'], /site\.json/],
    [['--role', 'web', '--recipes', 'own', '--json', '-'], /nobody is at standard input/],
    [
      ['--role', 'web', '--recipes', 'own', '--interval', '5'],
      /--interval takes a time such as 90s, 5m or 1h, and not 5/,
    ],
    [['--role', 'web', '--recipes', 'own', '--interval', '0s'], /and not 0s/],
    [['--role', 'web', '--recipes', 'own', '--jitter', 'some'], /--jitter takes a time/],
    [['--role', 'web', '--recipes', 'own', '--interval', '367d'], /--interval takes a year at most, and not 367d/],
    [['--role', 'web', '--recipes', 'own', '--jitter', `${'9'.repeat(30)}d`], /--jitter takes a year at most/],
    [['--role', 'web', '--recipes', 'own', '--program', 'nowhere'], /--program \S+nowhere: no such file or directory/],
    [['--role', 'web', '--recipes', 'own', '--program', 'own'], /--program \S+own: is not a file/],
    [['--role', 'web', '--recipes', 'own', '--json', 'two\nlines.json'], /hooks cannot contain "\S+two\\nlines.json"/],
  ]
  for (const [words, message] of refused) {
    const { status, stderr } = await sandbox.converge(['hooks', 'install', '--dry-run', ...words])
    t.equal(status, 2, words.join(' '))
    t.match(stderr, message, words.join(' '))
  }
  t.match((await sandbox.converge(['hooks'])).stderr, /hooks install|install, remove/)
})

t.test('show ends with status 1 if no hook is installed', async (t) => {
  const sandbox = new Sandbox(t)
  const { status, stdout } = await sandbox.converge(['hooks', 'show', '--json-output'])
  t.equal(status, 1)
  const { hooks } = JSON.parse(stdout) as { hooks: { name: string; installed: boolean }[] }
  t.ok(hooks.length >= 2)
  t.ok(hooks.every(({ name, installed }) => name.startsWith('converge-') && !installed))
})

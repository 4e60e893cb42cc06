/** Tests how texts that the app's account controls are printed on a terminal. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { Recorder } from '../../core/fleet/records/recorder.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { plain, printable, printableJson } from '../../core/report/printable.ts'
import { Sandbox } from '../support/program.ts'
import { hostReport, rolloutReport } from '../support/screen.ts'

const hostile = '\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[8mhidden\x9b2J\x85\u202eevil\u2066\r\nforged line\x7f'
const steering = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/

t.test('escapes control characters, and keeps its own colors', (t) => {
  t.notMatch(plain(hostile), steering)
  const own = '\x1b[1mbold\x1b[22m \x1b[32mgreen\x1b[39m'
  t.equal(printable(own, true), own, 'our own colours stay')
  t.equal(printable(own, false), 'bold green')
  t.notMatch(printable(hostile, true).replaceAll('\x1b[31m', ''), steering)
  t.equal(printable('a\tb\né ü 漢', true), 'a\tb\né ü 漢')
  const json = printableJson({ hostile }, 2)
  t.notMatch(json, steering)
  t.strictSame(JSON.parse(json), { hostile })
  t.end()
})

t.test('releases and status print no control characters and no forged line', async (t) => {
  const sandbox = new Sandbox(t)
  const scm = { scm_type: 'git', repository: '/srv/site.git' }
  sandbox.write({ 'site.json': JSON.stringify({ deploy: { plone_instances: { scm } } }) })
  const app = sandbox.at('site/srv/www/plone_instances')
  const id = '000001-1a2b3c4d'
  fs.mkdirSync(`${app}/releases/${id}/.converge`, { recursive: true })
  fs.writeFileSync(`${app}/releases/${id}/.converge/complete`, '')
  const release = {
    id,
    commit: '1a2b3c4d',
    identity: 'x',
    repository: 'r',
    revision: hostile,
    created: hostile,
    by: hostile,
    record: {},
    boot: null,
  }
  fs.writeFileSync(`${app}/releases/${id}/.converge/release.json`, JSON.stringify(release))
  fs.symlinkSync(`${app}/releases/${id}`, `${app}/current`)
  const args = ['--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  for (const command of ['releases', 'status'])
    for (const color of [[], ['--color']]) {
      const { stdout } = await sandbox.converge([command, ...args, ...color])
      t.match(stdout, 'evil', `${command}: the text is shown`)
      t.notMatch(stdout.replaceAll(/\x1b\[\d+m/g, ''), steering, command)
      t.notMatch(stdout, /^forged/m, command)
      t.notMatch(stdout, /\x1b\[(31mred|8m)/, command)
    }
  const { stdout } = await sandbox.converge(['releases', ...args, '--json-output'])
  t.equal(JSON.parse(stdout).apps[0].releases[0].by, hostile, 'JSON contains the original text')
})

/** Makes a site with hostile files of the app's account, records, recipes and attributes. */
function hostileSite(t: Test): Sandbox {
  const sandbox = new Sandbox(t)
  const scm = { scm_type: 'git', repository: `/srv/${hostile.replaceAll(/[\r\n]/g, '')}` }
  const words = `one\n${hostile}`
  sandbox.write({
    'site.json': JSON.stringify({ deploy: { plone_instances: { scm } }, [hostile]: 1 }),
    'stack.json': JSON.stringify({
      name: 'site',
      layers: { app: { name: 'evil\x1b[2J\u202e', roles: ['own'] } },
      hosts: { web1: { address: '127.0.0.1', port: 1, layers: ['app'] } },
      apps: { shop: { name: 'evil\x1b]0;x\x07', scm } },
      recipes: ['recipes'],
      [hostile]: 1,
    }),
    'good.json': JSON.stringify({
      name: 'site',
      layers: { app: { name: 'evil\x1b[2J\u202e', roles: ['own'] } },
      hosts: { web1: { address: '127.0.0.1', port: 1, layers: ['app'] } },
      apps: { shop: { name: 'evil\x1b]0;x\x07', scm } },
      recipes: ['recipes'],
    }),
    'site/current': words,
    'recipes/own.ts': `import { execute, file, role } from 'converge-engine'
const text = ${JSON.stringify(words)}
export default role('own', {
  configure(r) {
    r.warn(text)
    file(r, { path: ${JSON.stringify(sandbox.at('site/current'))}, content: 'evil ' + text.slice(0, 40) })
    execute(r, { command: ['printf', '%s', text], name: text })
    execute(r, { command: ['sh', '-c', 'printf "%s" "$0"; printf "%s" "$0" >&2; exit 3', text] })
  },
})
`,
    'recipes/late.ts': 'export {}\n',
    'throws/throws.ts': `throw new Error(${JSON.stringify(words)})\n`,
    'late/late.ts': `import { role } from 'converge-engine'
setTimeout(() => { throw new Error(${JSON.stringify(words)}) }, 1)
export default role('late', { async configure() { await new Promise((done) => setTimeout(done, 500)) } })
`,
  })
  const app = sandbox.at('site/srv/www/plone_instances')
  fs.mkdirSync(`${app}/releases/.converge`, { recursive: true })
  fs.writeFileSync(`${app}/releases/.history`, words)
  fs.writeFileSync(`${app}/releases/.held`, words)
  const recorder = new Recorder({
    directory: sandbox.at('.converge/site'),
    secrets: new Secrets(),
    warn: () => undefined,
  })
  const start = {
    stack: 'site',
    action: 'deploy' as const,
    comment: words,
    by: words,
    started: new Date().toISOString(),
  }
  const record = recorder.begin({ ...start, strategy: 'rolling', commits: { shop: hostile }, hosts: ['web1'] })
  const failure = { code: 'X', message: words, hint: words, output: words, resource: words }
  record.log('web1', words)
  record.log('web1', { event: 'warning', message: words })
  record.log('web1', { event: 'progress', name: words, line: words })
  record.logEvent({ event: 'done', host: 'web1', phase: 'build', outcome: 'failed', durationMs: 1, failure })
  record.end(
    rolloutReport([hostReport('web1', { outcome: 'failed', phase: 'build', failure })], { ...start, comment: words }),
  )
  return sandbox
}

const own = '--role own --recipes recipes --prefix @/site'
const plone = '--role zeo-client --json site.json --prefix @/site'
const commands: readonly string[] = [
  ...['plan', 'configure', 'configure --verbose', 'doctor', 'status', 'releases', 'render'].map(
    (one) => `${one} ${own}`,
  ),
  ...[
    'plan',
    'doctor',
    'doctor --verbose',
    'status',
    'releases',
    'revisions',
    'attributes',
    'lock --message m',
    'unlock',
  ].map((one) => `${one} ${plone}`),
  `attributes ${plone} --explain deploy`,
  'plan --role throws --recipes throws --prefix @/site',
  'configure --role late --recipes late --prefix @/site',
  `plan --role ${hostile.replaceAll(' ', '~')} --prefix @/site`,
  `resources ${hostile}`,
  hostile,
  ...[
    'check',
    'show',
    'status',
    'deployments',
    'log last',
    'log last web1',
    'plan',
    'configure',
    'userdata web1',
  ].flatMap((one) => [`stack ${one} --stack stack.json`, `stack ${one} --stack good.json`]),
  'stack show --stack good.json --verbose',
  'stack log last web1 --stack good.json --verbose',
]

t.test('no command prints control characters', { timeout: 1_200_000 }, async (t) => {
  const sandbox = hostileSite(t)
  let shown = 0
  for (const line of commands)
    for (const color of [[], ['--color']]) {
      const words = line.split(' ').map((word) => word.replaceAll('@', sandbox.directory).replaceAll('~', ' '))
      const { stdout, stderr } = await sandbox.converge([...words, ...color], { bare: words[0] === 'stack' })
      const text = stdout + stderr
      t.notMatch(text.replaceAll(/\x1b\[\d+m/g, ''), steering, line)
      // Text that the operator typed or wrote into a recipe may have several lines.
      if (!line.includes('forged') && !/--recipes (throws|late)/.test(line)) t.notMatch(text, /^forged/m, line)
      t.notMatch(text, /\x1b\[(31mred|8m)/, line)
      t.notMatch(text, /INTERNAL|\n\s+at /, line)
      if (text.includes('evil')) shown++
    }
  t.ok(shown > 30, `${shown} of ${2 * commands.length} outputs show hostile text`)
})

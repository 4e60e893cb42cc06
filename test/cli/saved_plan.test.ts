/** Tests saved plans: what `plan --out` stores, and when `apply FILE` makes the changes, refuses, or finds nothing to do. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { hostname } from 'node:os'
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const recipe = `
import { execute, file, role, template } from 'converge-engine'
import { readFileSync } from 'node:fs'
const at = (name) => process.cwd() + '/out/' + name
export default role('site', {
  setup(r, node) {
    const config = file(r, { path: at('config'), content: 'password ' + node.deploy.site.database.password })
    file(r, { path: at('color'), content: String(node.deploy.site.environment_variables.COLOR) })
    template(r, { path: at('page'), source: readFileSync(new URL('page.hbs', import.meta.url), 'utf8'), variables: { id: 1 } })
    execute(r, { name: 'reload', command: 'echo x >> ' + at('reloads'), when: [config] })
  },
})
`
const secret = 'tiger-lily-17'
const site = (color: string) =>
  JSON.stringify({ deploy: { site: { database: { password: secret }, environment_variables: { COLOR: color } } } })
const options = ['--role', 'site', '--event', 'setup', '--recipes', 'recipes', '--json', 'site.json']

async function saved(t: Test): Promise<Sandbox> {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': recipe,
    'recipes/page.hbs': 'page {{id}}',
    'site.json': site('red'),
    'out/.keep': '',
  })
  const plan = await sandbox.converge(['plan', ...options, '--out', 'plan.json'])
  t.equal(plan.status, 0, plan.stderr)
  t.match(plan.stdout, 'note: the plan is saved: converge apply plan.json')
  return sandbox
}

const bare = { bare: true }

t.test('applies a plan once', async (t) => {
  const sandbox = await saved(t)
  t.equal((fs.statSync(sandbox.at('plan.json')).mode & 0o777).toString(8), '600')
  t.notMatch(sandbox.read('plan.json'), secret)
  t.strictSame(fs.readdirSync(sandbox.at('out')), ['.keep'])
  const check = await sandbox.converge(['apply', 'plan.json', '--dry-run'], bare)
  t.equal(check.status, 0, check.stderr)
  t.match(check.stdout, '4 would change')
  const run = await sandbox.converge(['apply', sandbox.at('plan.json')], { ...bare, cwd: '/' })
  t.equal(run.status, 0, run.stderr)
  t.match(run.stdout, '4 changed')
  t.equal(sandbox.read('out/config'), `password ${secret}`)
  const again = await sandbox.converge(['apply', 'plan.json'], bare)
  t.equal(again.status, 0, again.stderr)
  t.match(again.stdout, 'nothing to do: 4 unchanged')
  fs.rmSync(sandbox.at('out/color'))
  const third = await sandbox.converge(['apply', 'plan.json'], bare)
  t.equal(third.status, 2)
  t.match(
    third.stderr,
    /^error: plan.json was applied by run 000001, and a plan is applied once\n {2}hint: make a new plan/,
  )
  t.notOk(fs.existsSync(sandbox.at('out/color')))
})

t.test('refuses a plan after anything has changed, and changes nothing', async (t) => {
  for (const [name, change, expected] of [
    [
      'attribute',
      (sandbox: Sandbox) => sandbox.write({ 'site.json': site('blue') }),
      /attribute deploy\.site\.environment_variables\.COLOR differs/,
    ],
    [
      'template',
      (sandbox: Sandbox) => sandbox.write({ 'recipes/page.hbs': 'other {{id}}' }),
      /recipe file recipes\/page\.hbs differs/,
    ],
    [
      'host',
      (sandbox: Sandbox) => sandbox.write({ 'out/color': 'by hand' }),
      /file \S+\/out\/color: its state on the host has changed/,
    ],
    [
      'done',
      (sandbox: Sandbox) => sandbox.write({ 'out/color': 'red' }),
      /file \S+\/out\/color: the plan changes it, and the host has it/,
    ],
  ] as const) {
    const sandbox = await saved(t)
    change(sandbox)
    const before = sandbox.snapshot(sandbox.at('out'))
    const { status, stdout, stderr } = await sandbox.converge(['apply', 'plan.json'], bare)
    t.equal(status, 2, name)
    t.match(stderr, /^error: plan.json no longer holds, so nothing was changed: /, name)
    t.match(stderr, expected, name)
    t.notMatch(stderr + stdout, secret)
    t.strictSame(sandbox.snapshot(sandbox.at('out')), before)
    t.strictSame(sandbox.journals(), [])
  }
})

t.test('refuses a file that is not a plan of this host', async (t) => {
  const sandbox = await saved(t)
  const text = sandbox.read('plan.json')
  const value = JSON.parse(text) as Record<string, unknown>
  const edited = (change: object) => JSON.stringify({ ...value, ...change })
  for (const [content, expected] of [
    [text.replace('"planned"', '"unknown"'), /was edited, or saved on another host: its signature does not match/],
    [edited({ host: 'web9' }), `is a plan for web9, and this host is ${hostname()}`],
    [edited({ account: 4711 }), 'was saved by the account 4711, and this is'],
    [edited({ converge: '99.0.0' }), 'was saved by converge 99.0.0, and this is'],
    [edited({ version: 2, converge: '2.0.0' }), 'was saved by a newer version of converge (2.0.0)'],
    [edited({ more: 1 }), 'is not a plan that converge plan --out has written'],
    ['{"half', 'is not a plan that converge plan --out has written'],
  ] as const) {
    sandbox.write({ 'plan.json': content })
    const { status, stderr } = await sandbox.converge(['apply', 'plan.json'], bare)
    t.equal(status, 2)
    t.match(stderr, expected)
  }
  t.match((await sandbox.converge(['apply', 'none.json'], bare)).stderr, /^error: apply none\.json: no such file/)
  t.match((await sandbox.converge(['apply', 'plan.json', '--role', 'site'], bare)).stderr, 'takes no --role')
  const ofInput = await sandbox.converge(['plan', ...options.slice(0, -1), '-', '--out', 'x'])
  t.match(ofInput.stderr, '--out cannot save a plan of standard input')
  t.strictSame(fs.readdirSync(sandbox.at('out')), ['.keep'])
})

t.test('a failed plan is not saved, and a file that cannot be written is named', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': recipe.replaceAll("'/out/'", "'/none/'"),
    'recipes/page.hbs': '',
    'site.json': site('red'),
  })
  const plan = await sandbox.converge(['plan', ...options, '--out', 'plan.json'])
  t.equal(plan.status, 1)
  t.match(plan.stdout, 'the plan failed, so it is not saved in plan.json')
  t.notOk(fs.existsSync(sandbox.at('plan.json')))
  sandbox.write({ 'none/x': '' })
  const { status, stderr } = await sandbox.converge(['plan', ...options, '--out', 'nowhere/plan.json'])
  t.equal(status, 2)
  t.match(stderr, /^error: cannot write the plan to nowhere\/plan\.json: /)
})

t.test('a killed run of a plan cannot be continued with the plan', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': `
import { execute, file, role } from 'converge-engine'
const at = (name) => process.cwd() + '/' + name
export default role('site', {
  setup(r) {
    file(r, { path: at('one'), content: '1' })
    execute(r, { name: 'kill', command: 'kill -9 $PPID', creates: at('two') })
  },
})
`,
    'site.json': '{}',
  })
  t.equal((await sandbox.converge(['plan', ...options, '--out', 'plan.json'])).status, 0)
  t.equal((await sandbox.converge(['apply', 'plan.json'], bare)).signal, 'SIGKILL')
  t.equal(sandbox.read('one'), '1')
  const { status, stderr } = await sandbox.converge(['apply', 'plan.json'], bare)
  t.equal(status, 2)
  t.match(stderr, 'was applied by run 000001, and a plan is applied once')
})

t.test('restarts of a plan are forced once', async (t) => {
  const sandbox = new Sandbox(t)
  const plan = await sandbox.converge([
    'plan',
    '--role',
    'solr',
    '--prefix',
    sandbox.at('root'),
    '--event',
    'restart',
    '--out',
    'plan.json',
  ])
  t.equal(plan.status, 0, plan.stderr)
  const apply = await sandbox.converge(['apply', 'plan.json'], bare)
  t.equal(apply.status, 0, apply.stderr)
})

t.test('refuses a plan whose branch has moved, and deploys the commit of the plan otherwise', async (t) => {
  const sandbox = new Sandbox(t)
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words], {
      cwd: sandbox.at('code'),
      encoding: 'utf8',
    })
  sandbox.write({
    'code/page': 'one',
    'recipes/site.ts': `
import { directory, git_release, role, symlink } from 'converge-engine'
const at = (name) => process.cwd() + '/' + name
export default role('site', {
  setup(r) {
    for (const name of ['releases', 'shared']) directory(r, { path: at(name) })
    const release = git_release(r, {
      app: 'shop', into: at('releases'), shared: at('shared'), current: at('current'), repository: at('code'), revision: 'main',
    })
    symlink(r, { path: at('current'), target: release.path })
  },
})
`,
    'site.json': '{}',
  })
  git('init', '-q', '-b', 'main')
  git('add', '.')
  git('commit', '-qm', 'one')
  const env = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }
  const save = () => sandbox.converge(['plan', ...options, '--out', 'plan.json'], { env })
  const first = await save()
  t.equal(first.status, 0, first.stderr + first.stdout)
  git('commit', '-qm', 'two', '--allow-empty')
  const moved = await sandbox.converge(['apply', 'plan.json'], { bare: true, env })
  t.equal(moved.status, 2)
  t.match(moved.stderr, /main of shop is now commit [0-9a-f]{12}, and [0-9a-f]{12} in the plan/)
  t.notOk(fs.existsSync(sandbox.at('releases')))
  await save()
  const applied = await sandbox.converge(['apply', 'plan.json'], { bare: true, env })
  t.equal(applied.status, 0, applied.stderr + applied.stdout)
  t.equal(sandbox.read('current/page'), 'one')
})

/** Tests converge test and converge new: exit statuses, snapshots, and that the generated tests are green. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { packageVersions } from '../../core/cli/commands/scaffold_files.ts'
import { Sandbox } from '../support/program.ts'

const own = { bare: true }
const test = (body: string) => `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertSnapshot, converge } from 'converge-engine/testing'
import web from '../web.ts'
${body}
`
const role = `import { file, role } from 'converge-engine'
export default role('web', { deploy(r) { file(r, { path: '/etc/web', content: 'x\\n' }) } })
`

t.test('the exit status is that of the tests, and a failure names the line of the test', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/web.ts': role,
    'recipes/test/web.test.ts':
      test(`test('green', async () => (await converge(web)).host.assertFile('/etc/web', 'x\\n'))
test('red', async () => (await converge(web)).host.assertFile('/etc/web', 'y\\n'))`),
    'recipes/node_modules/other/x.test.ts': 'not a test of ours',
  })
  const all = await sandbox.converge(['test', 'recipes'], own)
  t.equal(all.status, 1)
  t.match(all.stdout, /\/etc\/web has another content\n.*recipes\/test\/web\.test\.ts:6:/)
  t.equal((await sandbox.converge(['test', 'recipes', '--only', 'green'], own)).status, 0)
  t.equal((await sandbox.converge(['test', 'recipes/test/web.test.ts', '--only', 'green'], own)).status, 0)
})

t.test('no test, no directory, and a test that does not compile are wrong input', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/web.ts': role, 'broken/a.test.ts': "import './missing.ts'\n", 'broken/b.test.ts': '(\n' })
  const none = await sandbox.converge(['test', 'recipes'], own)
  t.equal(none.status, 2)
  t.match(none.stderr, /there are no tests in .*\/recipes: no file ends in \.test\.ts/)
  t.equal((await sandbox.converge(['test', 'elsewhere'], own)).status, 2)
  const broken = await sandbox.converge(['test', 'broken'], own)
  t.equal(broken.status, 2)
  t.match(broken.stderr, /a\.test\.ts:1:8: Could not resolve[\s\S]*b\.test\.ts:2:/)
})

t.test('a template with a mistake is wrong input, whether or not a test uses it', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/web.ts': role, 'recipes/a.hbs': 'x\n{{quot a}}\n', 'recipes/sub/b.hbs': '{{#if a}}' })
  sandbox.write({ 'recipes/test/web.test.ts': test("test('green', async () => assert.ok(await converge(web)))") })
  const { status, stderr } = await sandbox.converge(['test', 'recipes'], own)
  t.equal(status, 2)
  t.match(
    stderr,
    /a\.hbs:2: the template cannot be rendered: unknown helper quot[\s\S]*sub\/b\.hbs:1: the template cannot be parsed/,
  )
  sandbox.write({ 'recipes/a.hbs': 'x\n{{quote a}}\n', 'recipes/sub/b.hbs': '{{#if a}}{{/if}}' })
  t.equal((await sandbox.converge(['test', 'recipes'], own)).status, 0)
})

t.test('a snapshot is stored on request only', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/web.ts': role,
    'recipes/test/web.test.ts': test(
      "test('snapshot', async () => assertSnapshot(await converge(web), new URL('web.snapshot.txt', import.meta.url)))",
    ),
  })
  t.equal((await sandbox.converge(['test', 'recipes'], own)).status, 1)
  t.equal((await sandbox.converge(['test', 'recipes', '--update-snapshots'], own)).status, 0)
  t.match(sandbox.read('recipes/test/web.snapshot.txt'), /^\+ file \/etc\/web$/m)
  t.equal((await sandbox.converge(['test', 'recipes'], own)).status, 0)
})

t.test('a new directory, role and resource type have green tests', async (t) => {
  const sandbox = new Sandbox(t)
  t.equal((await sandbox.converge(['new', 'recipes', 'my-recipes'], own)).status, 0)
  const at = { ...own, cwd: sandbox.at('my-recipes') }
  t.equal((await sandbox.converge(['new', 'role', 'queue-worker'], at)).status, 0)
  t.equal((await sandbox.converge(['new', 'resource', 'login_banner'], at)).status, 0)
  const { status, stdout } = await sandbox.converge(['test'], at)
  t.equal(status, 0, stdout)
  t.match(stdout, 'pass 9')
  const again = await sandbox.converge(['new', 'recipes', 'my-recipes'], own)
  t.equal(again.status, 2)
  t.match(again.stderr, /my-recipes\/package\.json, .* exists already/)
  sandbox.write({ 'my-recipes/recipes/extra.ts': '' })
  t.equal((await sandbox.converge(['new', 'role', 'extra'], at)).status, 2)
  t.equal(sandbox.read('my-recipes/recipes/extra.ts'), '')
  t.throws(() => sandbox.read('my-recipes/recipes/extra.hbs'))
})

t.test('names are checked', async (t) => {
  const sandbox = new Sandbox(t)
  await sandbox.converge(['new', 'recipes', 'r'], own)
  const at = { ...own, cwd: sandbox.at('r') }
  for (const name of ['Web', 'a b', '../x', '-x', 'a--b', 'frontend', 'haproxy', 'hostname', 'run'])
    t.equal((await sandbox.converge(['new', 'role', '--', name], at)).status, 2, name)
  for (const name of ['a-b', 'x', '../x', 'file', 'package', 'new', 'await_'])
    t.equal((await sandbox.converge(['new', 'resource', name], at)).status, 2, name)
})

t.test('a new directory uses the compiler and types of this project', async (t) => {
  const { devDependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  for (const [name, version] of Object.entries(packageVersions)) t.equal(version, devDependencies[name])
})

/**
 * Installs the packed package in an empty directory, and follows a recipe author from there: scaffold, install, test, type
 * check, and the test kit under three test runners.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs, scratch } from '../support/machine.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
// Packs, and installs packages from the registry.
t.setTimeout(600_000)

function run(t: Test, cwd: string, command: string): string {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, CI: '1', NO_COLOR: '1', npm_config_audit: 'false', npm_config_fund: 'false' }
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { cwd, env, encoding: 'utf8' })
  t.equal(status, 0, `${command}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`)
  return stdout
}

/** Packing builds the program again, which other tests use meanwhile: so a copy is packed. */
function copyOfProject(t: Test): string {
  const copy = scratch(t)
  for (const name of readdirSync(project))
    if (!['.git', 'dist', 'node_modules', '.tap'].includes(name))
      cpSync(join(project, name), join(copy, name), { recursive: true })
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** The same test for a runner, with the import of its `test` function. */
const kitTest = (imports: string) => `${imports}
import { directory, file, role } from 'converge-engine'
import { converge, resourceContract, verify } from 'converge-engine/testing'
import motd from '../recipes/motd.ts'

const own = role('own', { deploy(r) { file(r, { path: '/etc/own', content: 'x\\n' }) } })

test('a role of this file', async () => {
  const run = await verify([own, motd])
  run.host.assertFile('/etc/own', 'x\\n')
})
test('a failure is an AssertionError', async () => {
  const { host } = await converge(own)
  let name = ''
  try {
    host.assertFile('/etc/own', 'y\\n')
  } catch (error) {
    name = (error as Error).name
  }
  if (name !== 'AssertionError') throw new Error(name)
})
for (const { name, run } of resourceContract(directory, [{ name: 'directory', props: { path: '/srv/x' }, changes: ['replace /kind'] }]))
  test(name, async () => run())
`

t.test('a recipe author begins with the package alone', async (t) => {
  if (!needs(t, ['npm registry'])) return
  const directory = scratch(t)
  run(t, copyOfProject(t), `npm pack --silent --pack-destination ${directory}`)
  const [tarball = ''] = readdirSync(directory)
  writeFileSync(`${directory}/package.json`, '{ "private": true }\n')
  run(t, directory, `npm install --save-dev ./${tarball}`)

  const began = performance.now()
  run(t, directory, 'npx converge new recipes my-recipes')
  const own = `${directory}/my-recipes`
  run(t, own, 'npm install')
  t.match(run(t, own, 'npx converge test'), /pass 3\n/)
  run(t, own, 'npx tsc --noEmit')
  run(t, own, 'npx converge new role queue-worker && npx converge new resource login_banner')
  t.match(run(t, own, 'npx converge test'), /pass 9\n/)
  run(t, own, 'npx tsc --noEmit')
  t.comment(
    `from an installed package to green tests of own roles: ${Math.round((performance.now() - began) / 1000)} s`,
  )
  t.match(readFileSync(`${own}/package.json`, 'utf8'), `file:../${tarball}`)

  writeFileSync(`${own}/test/kit.test.ts`, kitTest("import { test } from 'node:test'"))
  t.match(run(t, own, 'npx converge test test/kit.test.ts'), /pass 3\n/)

  run(t, own, 'npm install --no-save tap@21.8.0 vitest@3.2.4')
  writeFileSync(`${own}/test/kit.test.ts`, kitTest("import { test } from 'vitest'"))
  t.match(run(t, own, 'npx vitest run test/kit.test.ts'), /Tests +3 passed/)
  writeFileSync(`${own}/test/kit.test.ts`, kitTest("import { test } from 'tap'"))
  t.match(run(t, own, 'npx tap run --disable-coverage --reporter=tap test/kit.test.ts'), /# \{ total: 3, pass: 3 \}/)
})

/** Tests hooks in TypeScript and JavaScript on a host without a compiler, where Node itself must run them. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import nodeModule from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hookScript } from '../../../resources/commands/hook_script.ts'
import { scratch } from '../../support/machine.ts'

const nobody = async () => null
const strips = 'stripTypeScriptTypes' in nodeModule

async function ran(t: Test, name: string, text: string, compiler?: typeof nobody) {
  const directory = fs.realpathSync(scratch(t))
  fs.mkdirSync(join(directory, 'deploy'))
  const path = join(directory, 'deploy', name)
  fs.writeFileSync(path, text)
  fs.writeFileSync(join(directory, 'deploy', 'beside.mjs'), "export const beside = 'beside'\n")
  fs.writeFileSync(join(directory, 'deploy', 'data.json'), '"data"')
  const context = { app: 'site', hook: 'before_restart', release: directory, commit: '1a2b' } as const
  const input = await hookScript(text, path, context, compiler)
  const args = ['--enable-source-maps', '--disable-warning=ExperimentalWarning', '--input-type=commonjs', '-']
  const { status, stdout, stderr } = spawnSync('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
    input,
    encoding: 'utf8',
    cwd: directory,
  })
  return { status, stdout, stderr, path }
}

const javaScript = `import { beside } from './beside.mjs'
import { sep } from 'node:path'
export default async ({ app, hook, commit }) => console.log(sep, beside, app, hook, commit)
`

t.test('JavaScript as ESM or CommonJS', async (t) => {
  for (const name of ['before_restart.js', 'before_restart.mjs']) {
    const { status, stdout, stderr } = await ran(t, name, javaScript, nobody)
    t.equal(stdout, '/ beside site before_restart 1a2b\n', stderr)
    t.equal(status, 0)
    t.equal(stderr, '')
  }
  const common = "module.exports = ({ app }) => console.log(require('./data.json'), app)"
  for (const name of ['before_restart.js', 'before_restart.cjs'])
    t.equal((await ran(t, name, common, nobody)).stdout, 'data site\n', name)
})

t.test('reports a failing hook as on a host with a compiler', async (t) => {
  const thrown = await ran(
    t,
    'before_restart.mjs',
    "\n\nexport default () => { throw new Error('too late') }\n",
    nobody,
  )
  t.equal(thrown.status, 1)
  t.match(thrown.stderr, new RegExp(`too late[^]*${thrown.path}:3:`))
  const rejected = await ran(t, 'before_restart.js', "export default async () => { throw 'a word' }", nobody)
  t.not(rejected.status, 0)
  t.match(rejected.stderr, 'a word')
  const none = await ran(t, 'before_restart.mjs', 'export default 1', nobody)
  t.match(none.stderr, /before_restart\.mjs has no function as its default export/)
})

const typed = `import type { DeployHook } from 'converge-engine'
import { beside } from './beside.mjs'
const hook: DeployHook = async ({ app }) => console.log(beside as string, app)
export default hook
`

t.test('runs TypeScript with the compiler, else with Node, else fails with a hint', async (t) => {
  if (!strips) {
    const path = '/srv/site/deploy/before_restart.ts'
    const context = { app: 'site', hook: 'before_restart', release: '/srv/site', commit: '' } as const
    await t.rejects(hookScript(typed, path, context, nobody), { code: 'NO_COMPILER', hint: /Node 22\.13/ })
    t.match(await hookScript('module.exports = 1', '/a.cjs', context, nobody), 'module.exports = 1')
    return
  }
  const { status, stdout, stderr } = await ran(t, 'before_restart.ts', typed, nobody)
  t.equal(stdout, 'beside site\n', stderr)
  t.equal(stderr, '')
  t.equal(status, 0)
  const broken = await ran(t, 'before_restart.ts', 'export default (', nobody)
  t.match(broken.stderr, /before_restart\.ts cannot be compiled/)
  const thrown = await ran(
    t,
    'before_restart.ts',
    '\nexport default () => { throw new Error("late") as Error }',
    nobody,
  )
  t.match(thrown.stderr, /late.*before_restart\.ts:2:/s)
})

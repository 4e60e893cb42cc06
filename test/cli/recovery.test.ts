/** Tests a deploy whose smoke test fails: the automatic rollback, and its messages. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { linesOf, Sandbox } from '../support/program.ts'

/** Makes a site: `deploy` fails its test; `rollback`, if declared, writes a file or refuses. */
function site(t: Test, rollback: string): Sandbox {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': `
      import { ConvergeError, file, role, smoke_test } from 'converge-engine'
      const at = (name) => process.cwd() + '/' + name
      export default role('site', {
        deploy(r) {
          file(r, { path: at('new'), content: '' })
          smoke_test(r, { app: 'site', directory: process.cwd(), commands: ['echo no page; false'], rollback: true, allowRoot: true })
          file(r, { path: at('never'), content: '' })
        },
        ${rollback}
      })
      export const other = role('other', { rollback(r) { file(r, { path: at('wrong'), content: '' }) } })`,
  })
  return sandbox
}
const args = ['deploy', '--role', 'site,other', '--recipes', 'recipes']

t.test('the role rolls back automatically, and the run fails', async (t) => {
  const sandbox = site(t, "rollback(r) { file(r, { path: at('back'), content: '' }) },")
  const { status, stdout } = await sandbox.converge(args)
  t.equal(status, 1)
  t.match(stdout, /site did not pass its smoke test:.*no page.*note.*site: rollback, since what was deployed failed/s)
  t.strictSame(
    ['new', 'back', 'never', 'wrong'].map((name) => fs.existsSync(sandbox.at(name))),
    [true, true, false, false],
  )
  t.equal(sandbox.journals().length, 2, 'it is a run of its own')
})

t.test('--json-output prints both reports, and announces the second run', async (t) => {
  const sandbox = site(t, "rollback(r) { file(r, { path: at('back'), content: '' }) },")
  const lines = linesOf((await sandbox.converge([...args, '--json-output'])).stdout)
  const reports = lines.filter(({ event }) => event === 'end').map(({ report }) => report)
  t.match(
    lines.filter(({ event }) => event === 'resource'),
    [{}, { failure: { code: 'SMOKE_TEST_FAILED', recovery: 'rollback' } }, {}],
  )
  t.match(reports, [
    { outcome: 'failed', events: ['deploy'] },
    { outcome: 'changed', events: ['rollback'] },
  ])
})

for (const [name, rollback, words] of [
  [
    'no earlier release',
    "rollback() { throw new ConvergeError('no release before', { code: 'X', usage: true }) },",
    /no release before/,
  ],
  ['no such event', '', /unknown event rollback|rollback/],
] as const)
  t.test(`reports an impossible rollback: ${name}`, async (t) => {
    const { status, stdout } = await site(t, rollback).converge(args)
    t.equal(status, 1)
    t.match(stdout, words)
  })

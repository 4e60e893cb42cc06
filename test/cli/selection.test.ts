/** Tests --only and --skip on the command line: the summary, the journal, `converge status` and the exit statuses. */
import * as fs from 'node:fs'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const recipe = `
import { file, role } from 'converge-engine'
export default role('site', {
  setup(r) {
    for (const name of ['one', 'two', 'three']) file(r, { path: process.cwd() + '/' + name, content: name })
  },
})
`
const args = ['--role', 'site', '--recipes', 'recipes']

t.test('converges a part, and every report shows that', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/site.ts': recipe })
  const part = ['--only', 'file/*/one', '--only', 'file/*/two', '--skip', 'file/*/two']
  const plan = await sandbox.converge(['plan', ...args, '--event', 'setup', ...part])
  t.match(plan.stdout, '1 would change, 2 resources left out by --only and --skip in')
  const run = await sandbox.converge(['setup', ...args, ...part])
  t.equal(run.status, 0, run.stderr)
  t.match(run.stdout, '1 changed, 2 resources left out by --only and --skip in')
  t.equal(fs.existsSync(sandbox.at('one')), true)
  t.equal(fs.existsSync(sandbox.at('two')), false)
  const selection = { only: ['file/*/one', 'file/*/two'], skip: ['file/*/two'] }
  t.match(sandbox.journals()[0]?.[0], { event: 'start', selection, resources: 1 })
  t.match(sandbox.journals()[0]?.at(-1), { event: 'end', report: { selection, leftOut: 2 } })
  t.match(
    (await sandbox.converge(['status', ...args])).stdout,
    'site: setup, only a part of it (--only and --skip): changed (1)',
  )
  t.match(
    (await sandbox.converge(['setup', ...args, ...part])).stdout,
    'nothing to do: 1 unchanged, 2 resources left out',
  )
  const wrong = await sandbox.converge(['setup', ...args, '--only', 'fiel'])
  t.equal(wrong.status, 2)
  t.match(wrong.stderr, /^error: --only fiel: this run has no resource of the type fiel\n {2}hint: did you mean file\?/)
  t.equal(sandbox.journals().length, 2, 'a refused run leaves no journal')
})

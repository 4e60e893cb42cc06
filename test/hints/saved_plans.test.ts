/** Proves the hints about saved plans: triggers each, then follows it. */
import * as fs from 'node:fs'
import t from 'tap'
import { ConvergeError } from '../../core/model/errors.ts'
import { Sandbox } from '../support/program.ts'
import { proveCalls } from '../support/proofs.ts'

const options = ['--role', 'site', '--event', 'setup', '--recipes', 'recipes', '--json', 'site.json']

t.test('the hints about saved plans work', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': `
import { file, role } from 'converge-engine'
export default role('site', {
  setup(r) { file(r, { path: process.cwd() + '/page', content: 'x' }) },
})
`,
    'site.json': '{}',
  })
  /** Runs a command, and throws the error that it prints. */
  const converge = async (words: readonly string[], bare = false, cwd?: string) => {
    const { status, stdout } = await sandbox.converge([...words, '--json-output'], { bare, ...(cwd ? { cwd } : {}) })
    const lines = stdout
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, string>]))
    const error = lines.find(({ event }) => event === 'error')
    if (status !== 0)
      throw new ConvergeError(error?.message ?? 'failed', { code: error?.code ?? '', hint: error?.hint })
  }
  const save = (file = 'plan.json') => converge(['plan', ...options, '--out', file])
  const apply = (...more: string[]) => converge(['apply', sandbox.at('plan.json'), ...more], true)
  const edit = (change: object) => {
    const value = JSON.parse(sandbox.read('plan.json')) as object
    sandbox.write({ 'plan.json': JSON.stringify({ ...value, ...change }) })
  }
  const applyEdited = (change: object) => async () => {
    await save()
    edit(change)
    await apply()
  }
  const repaired = async () => {
    await save()
    await apply()
  }
  const file = 'core/cli/saved_plan/plan_file.ts'
  const command = 'core/cli/commands/saved_plan.ts'
  proveCalls(t, [
    {
      source: file,
      hint: 'name a file in a directory that this account may write to',
      broken: () => save('nowhere/plan.json'),
      repaired: () => save(),
    },
    {
      source: file,
      hint: 'make the plan again with the version on this host',
      broken: applyEdited({ version: 2 }),
      repaired,
    },
    { source: file, hint: 'save one: converge plan --role ROLE --out …', broken: applyEdited({ events: 1 }), repaired },
    {
      source: 'core/cli/saved_plan/plan_key.ts',
      hint: 'remove …, and save the plan again',
      async broken() {
        sandbox.write({ 'state/plan.key': 'half' })
        await save()
      },
      async repaired() {
        fs.rmSync(sandbox.at('state/plan.key'))
        await repaired()
      },
    },
    {
      source: command,
      hint: 'give a file instead of -',
      broken: () => converge(['plan', ...options, '--json=-', '--out', 'plan.json']),
      repaired: () => save(),
    },
    { source: command, hint: 'apply it on web9, or make a plan here', broken: applyEdited({ host: 'web9' }), repaired },
    { source: command, hint: 'plan and apply with the same account', broken: applyEdited({ account: 4711 }), repaired },
    {
      source: command,
      hint: 'save the plan again with this version',
      broken: applyEdited({ converge: '9.9.9' }),
      repaired,
    },
    {
      source: command,
      hint: 'save the plan again on this host, and leave the file as it is',
      broken: applyEdited({ created: 'earlier' }),
      repaired,
    },
    {
      source: command,
      hint: 'make a new plan for what is left to do',
      async broken() {
        fs.rmSync(sandbox.at('page'), { force: true })
        await repaired()
        fs.rmSync(sandbox.at('page'))
        await apply()
      },
      repaired,
    },
    {
      source: command,
      hint: 'save a new plan, and review it again',
      async broken() {
        await save()
        sandbox.write({ page: 'by hand' })
        await apply()
      },
      repaired,
    },
    {
      source: 'core/cli/commands/apply_plan.ts',
      hint: 'leave out --role, or save another plan',
      broken: () => apply('--role', 'site'),
      repaired,
    },
    {
      source: 'core/cli/commands/apply_plan.ts',
      hint: 'save the plan again',
      broken: applyEdited({ directory: '/nowhere/at/all' }),
      repaired,
    },
  ])
})

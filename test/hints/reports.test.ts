/** Proves the hints of `converge report`: triggers each, then follows it. */
import * as fs from 'node:fs'
import t from 'tap'
import { report } from '../../core/cli/commands/report.ts'
import { scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'

t.test('the hints of converge report work', async (t) => {
  const directory = scratch(t)
  fs.mkdirSync(`${directory}/state/runs`, { recursive: true })
  const start = {
    event: 'start',
    id: '000002',
    mode: 'run',
    roles: ['a'],
    events: ['setup'],
    started: '',
    resources: 0,
  }
  fs.writeFileSync(`${directory}/state/runs/000001.jsonl`, '{"half')
  fs.writeFileSync(`${directory}/state/runs/000002.jsonl`, `${JSON.stringify(start)}\n`)
  const render = (options: object) => () =>
    report({ stateDir: `${directory}/state`, out: `${directory}/a.html`, ...options })
  const source = 'core/cli/commands/report.ts'
  proveCalls(t, [
    {
      source,
      hint: 'apply a role first, or name the state directory with --state-dir or --prefix',
      broken: render({ stateDir: `${directory}/none` }),
      repaired: render({}),
    },
    {
      source,
      hint: 'the journals are 000001 to 000002',
      broken: render({ journal: '7' }),
      repaired: render({ journal: '2' }),
    },
    {
      source,
      hint: 'name another run with --journal',
      broken: render({ journal: '1' }),
      repaired: render({ journal: '2' }),
    },
    {
      source,
      hint: 'name a file in an existing directory that this account may write to',
      broken: render({ out: `${directory}/none/a.html` }),
      repaired: render({}),
    },
  ])
})

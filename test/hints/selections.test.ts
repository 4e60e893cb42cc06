/** Proves the hints about --only and --skip: triggers each, then follows it. */
import t from 'tap'
import { withSelection } from '../../core/compile/selection.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { file } from '../../resources/files/file.ts'
import { failureOf, planOf, run } from '../support/contract.ts'
import { probe } from '../support/faulty_resource.ts'
import { proveCalls } from '../support/proofs.ts'

const source = 'core/compile/selection.ts'
const thing = probe()
const plan = () =>
  planOf((r) => {
    const made = thing(r, { name: 'made', value: 'v' })
    file(r, { path: '/etc/copy', content: made.value })
  })
const select = (only: string[], skip: string[] = [], of = plan()) =>
  withSelection(of.bind(new VirtualHost()), { only, skip })

/** Runs a part of the plan, and throws its failure. */
async function runPart(only: string[]): Promise<void> {
  const failure = failureOf(await run(select(only), new VirtualHost()))
  if (failure !== null && failure !== undefined)
    throw new ConvergeError('failed', failure as ConstructorParameters<typeof ConvergeError>[1])
}

t.test('the hints about --only and --skip work', async (t) => {
  proveCalls(t, [
    {
      source,
      hint: 'run rollback without --only',
      broken: () => withSelection({ ...plan(), events: ['rollback'] }, { only: ['file'], skip: [] }),
      repaired: () => withSelection({ ...plan(), events: ['rollback'] }, null),
    },
    {
      source,
      hint: 'name another role or event',
      broken: () =>
        select(
          ['file'],
          [],
          planOf(() => undefined),
        ),
      repaired: () => select(['file']),
    },
    {
      source,
      hint: 'remove a --skip, or add an --only',
      broken: () => select(['file'], ['file']),
      repaired: () => select(['file']),
    },
    { source, hint: 'it has: file, probe', broken: () => select(['cron']), repaired: () => select(['file']) },
    {
      source,
      hint: 'it has: /etc/copy; * stands for any characters',
      broken: () => select(['file/x']),
      repaired: () => select(['file/*']),
    },
    {
      source: 'core/converge/left_out.ts',
      hint: 'choose probe made as well, or apply it first',
      broken: () => runPart(['file']),
      repaired: () => runPart(['file', 'probe made']),
    },
  ])
})

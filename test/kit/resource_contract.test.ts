/** Tests the resource contract of the test kit with types that break one of its promises each. */
import { defineResource, type Host, z } from 'converge-engine'
import { type ContractCase, resourceContract } from 'converge-engine/testing'
import t from 'tap'

const state = z.strictObject({ lines: z.array(z.string()) })
const props = z.strictObject({ lines: z.array(z.string()) })
type Props = z.output<typeof props>
const path = '/etc/issue'
const read = (host: Pick<Host, 'readText'>) => ({ lines: (host.readText(path) ?? '').split('\n').filter(Boolean) })

const description = (type: string) => ({ type, doc: 'Text of a terminal', examples: [], key: () => path, props, state })
const good = {
  read,
  desired: ({ lines }: Props) => ({ lines }),
  apply: (host: Host, { lines }: Props) => host.writeFile(path, `${lines.join('\n')}\n`),
}
const issue = defineResource(description('issue'), good)

async function failures<P>(type: Parameters<typeof resourceContract<P>>[0], cases: readonly ContractCase<P>[]) {
  const messages: string[] = []
  for (const { run } of resourceContract(type, cases))
    await run().catch((error: unknown) => messages.push((error as Error).message))
  return messages
}

t.test('a type that meets the contract has green tests', async (t) => {
  const cases: ContractCase<z.input<typeof props>>[] = [
    {
      name: 'writes the lines',
      props: { lines: ['a', 'b'] },
      changes: ['add /lines/0', 'add /lines/1 = "b"'],
      then: (host) => host.assertFile(path, 'a\nb\n'),
    },
    { name: 'leaves them', props: { lines: ['a'] }, host: { files: { [path]: 'a\n' } }, changes: [] },
    {
      name: 'is refused by a directory',
      props: { lines: ['a'] },
      host: { files: { [path]: null } },
      fails: 'directory',
    },
  ]
  t.strictSame(
    resourceContract(issue, cases).map(({ name }) => name),
    cases.map(({ name }) => name),
  )
  t.strictSame(await failures(issue, cases), [])
})

t.test('each broken promise is named', async (t) => {
  const one = [{ name: 'case', props: { lines: ['a', 'b'] } }]
  const broken = async (type: string, change: Partial<Parameters<typeof defineResource<Props, Props, Props>>[1]>) =>
    (await failures(defineResource(description(type), { ...good, ...change }), one))[0] ?? ''
  t.match(
    await broken('no_effect', { apply: () => undefined }),
    /^the run failed: applied, but the state still differs/,
  )
  let round = 0
  const counting = defineResource(description('counting'), {
    ...good,
    async prepare() {
      round++
    },
    desired: () => ({ lines: [`${round}`] }),
    apply: (host, _, { desired }) => host.writeFile(path, desired.lines.join('\n')),
  })
  const [first] = await failures(counting, one)
  t.match(first, 'the dry run predicted another change than the run made')
  const [second] = await failures(counting, [{ name: 'case', props: { lines: [] }, unpredictable: true }])
  t.match(second, 'the second run made changes')
  t.match(
    await broken('fragile', {
      apply(host, { lines }) {
        if (host.readText(path) === 'half\n') throw new Error('half of it is there')
        host.writeFile(path, 'half\n')
        host.writeFile(path, `${lines.join('\n')}\n`)
      },
    }),
    /^after a kill at change 2, the next run failed: .*half of it is there/,
  )
  t.match(
    (await failures(issue, [{ name: 'x', props: { lines: ['a'] }, changes: [] }]))[0],
    'the run made other changes',
  )
  t.match((await failures(issue, [{ name: 'x', props: { lines: ['a'] }, fails: /x/ }]))[0], 'the run did not fail')
})

t.test('checks the host after an expected failure too', async (t) => {
  const then: ContractCase<Props>['then'] = (host) => host.assertFile(path, 'a\n')
  const refused = { props: { lines: ['a'] }, host: { files: { [path]: null } }, fails: 'directory' }
  const [message] = await failures(issue, [{ ...refused, name: 'x', then }])
  t.match(message, path)
})

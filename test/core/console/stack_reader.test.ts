/** Tests that the console reports answers of `converge stack` that it cannot read. */
import t from 'tap'
import { StackReader } from '../../../core/console/stack/stack_reader.ts'

const source = { directory: '/srv/shop', options: ['--stack', 'stack.yaml'] }

t.test('reports an answer that it cannot read as a failure of the command', async (t) => {
  for (const answer of [
    '',
    'text',
    'null',
    '"x"',
    '5',
    '[1]',
    '{}',
    '{"attributes": 1}',
    '{"stack": "a", "hosts": [1]}',
  ]) {
    const reader = new StackReader(async () => answer)
    const expected = (command: string) => ({
      code: 'STACK_UNREADABLE',
      message: `the stack cannot be read: converge stack ${command} has printed an unexpected answer`,
    })
    await t.rejects(reader.show(source), expected('show'), answer)
    await t.rejects(reader.records(source, 5), expected('deployments'), answer)
    await t.rejects(reader.attributes(source, 'web1', null), expected('attributes'), answer)
    t.equal(await reader.secretMarks(source), null)
  }
})

t.test('reads which values of a stack are secret', async (t) => {
  const marks = { secretAttributes: [['newrelic', 'license']], secretNames: ['PIN'] }
  const view = { stack: 'shop', layers: [], hosts: [], apps: [] }
  const reader = (answer: object) => new StackReader(async () => JSON.stringify(answer))
  t.strictSame(await reader({ ...view, ...marks }).secretMarks(source), marks)
  t.equal(await reader(view).secretMarks(source), null, 'an earlier version prints none')
})

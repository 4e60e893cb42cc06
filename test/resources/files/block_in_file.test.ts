/** Tests block_in_file: inserting, replacing and removing a marked block. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { block_in_file } from '../../../resources/files/block_in_file.ts'
import { contract, planOf } from '../../support/contract.ts'

const path = '/etc/app.conf'
const props = { path, name: 'sftp', block: 'one\ntwo\n' }
const marked = (text: string) => `# BEGIN converge: sftp\n${text}# END converge: sftp\n`
const holds = (content: string) => ({ given: (host: VirtualHost) => void host.given(path, content) })
const becomes = (content: string) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) =>
    void t.equal(host.readText(path), content),
})

contract(t, block_in_file, [
  {
    name: 'adds a block at the end',
    props,
    ...holds('a'),
    changes: ['replace /content = "one'],
    ...becomes(`a\n${marked('one\ntwo\n')}`),
  },
  {
    name: 'replaces the block at its position',
    props,
    ...holds(`a\n${marked('old\n')}b\n`),
    ...becomes(`a\n${marked('one\ntwo\n')}b\n`),
  },
  { name: 'leaves a correct block unchanged', props, ...holds(`a\n${marked('one\ntwo\n')}b\n`), changes: [] },
  {
    name: 'accepts a block without a line break at its end',
    props: { ...props, block: 'one\ntwo' },
    ...holds(marked('one\ntwo\n')),
    changes: [],
  },
  { name: 'writes an empty block', props: { ...props, block: '' }, ...holds('a\n'), ...becomes(`a\n${marked('')}`) },
  {
    name: 'inserts a block after a line',
    props: { ...props, insertAfter: '^a' },
    ...holds('a\nb\n'),
    ...becomes(`a\n${marked('one\ntwo\n')}b\n`),
  },
  {
    name: 'removes a block',
    props: { path, name: 'sftp', absent: true },
    ...holds(`a\n${marked('old\n')}b\n`),
    ...becomes('a\nb\n'),
  },
  {
    name: 'does nothing if the block to remove is missing',
    props: { path, name: 'sftp', absent: true },
    ...holds('a\n'),
    changes: [],
  },
  {
    name: 'keeps a block with another name',
    props,
    ...holds('# BEGIN converge: x\n# END converge: x\n'),
    changes: ['replace /content'],
  },
  {
    name: 'writes markers for comments that have an end',
    props: { ...props, comment: '<!--', commentEnd: '-->' },
    ...holds(''),
    ...becomes('<!-- BEGIN converge: sftp -->\none\ntwo\n<!-- END converge: sftp -->\n'),
  },
  { name: 'creates the file', props: { ...props, create: true }, ...becomes(marked('one\ntwo\n')) },
  { name: 'fails if the file does not exist', props, fails: /the file \/\S+ does not exist/ },
  {
    name: 'fails if the end of the block is missing',
    props,
    ...holds('# BEGIN converge: sftp\na\n'),
    fails: /damaged: line 1.*keep one line/,
  },
  {
    name: 'fails if the file has two such blocks',
    props,
    ...holds(`${marked('a\n')}${marked('b\n')}`),
    fails: /damaged: line 1, 3, 4, 6/,
  },
  {
    name: 'fails if the end comes before the begin',
    props,
    ...holds('# END converge: sftp\n# BEGIN converge: sftp\n'),
    fails: /damaged: line 1, 2/,
  },
])

t.test('refuses a block that contains its marker', async (t) => {
  for (const block of [marked(''), 'a\n# END converge: sftp\n', 'a\r\n', undefined])
    t.throws(() => planOf((r) => block_in_file(r, { ...props, block } as never)), { code: 'INVALID_PROP' })
})

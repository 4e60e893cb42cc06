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
    name: 'adds it at the end',
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
  { name: 'leaves it alone', props, ...holds(`a\n${marked('one\ntwo\n')}b\n`), changes: [] },
  {
    name: 'needs no line break at its end',
    props: { ...props, block: 'one\ntwo' },
    ...holds(marked('one\ntwo\n')),
    changes: [],
  },
  { name: 'an empty block', props: { ...props, block: '' }, ...holds('a\n'), ...becomes(`a\n${marked('')}`) },
  {
    name: 'after a line',
    props: { ...props, insertAfter: '^a' },
    ...holds('a\nb\n'),
    ...becomes(`a\n${marked('one\ntwo\n')}b\n`),
  },
  {
    name: 'removes it',
    props: { path, name: 'sftp', absent: true },
    ...holds(`a\n${marked('old\n')}b\n`),
    ...becomes('a\nb\n'),
  },
  { name: 'removes nothing', props: { path, name: 'sftp', absent: true }, ...holds('a\n'), changes: [] },
  {
    name: 'a block with another name',
    props,
    ...holds('# BEGIN converge: x\n# END converge: x\n'),
    changes: ['replace /content'],
  },
  {
    name: 'comments with an end',
    props: { ...props, comment: '<!--', commentEnd: '-->' },
    ...holds(''),
    ...becomes('<!-- BEGIN converge: sftp -->\none\ntwo\n<!-- END converge: sftp -->\n'),
  },
  { name: 'creates the file', props: { ...props, create: true }, ...becomes(marked('one\ntwo\n')) },
  { name: 'no file', props, fails: /the file \/\S+ does not exist/ },
  { name: 'no end', props, ...holds('# BEGIN converge: sftp\na\n'), fails: /damaged: line 1.*keep one line/ },
  { name: 'two blocks', props, ...holds(`${marked('a\n')}${marked('b\n')}`), fails: /damaged: line 1, 3, 4, 6/ },
  {
    name: 'end before begin',
    props,
    ...holds('# END converge: sftp\n# BEGIN converge: sftp\n'),
    fails: /damaged: line 1, 2/,
  },
])

t.test('refuses a block that contains its marker', async (t) => {
  for (const block of [marked(''), 'a\n# END converge: sftp\n', 'a\r\n', undefined])
    t.throws(() => planOf((r) => block_in_file(r, { ...props, block } as never)))
})

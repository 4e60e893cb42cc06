import fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { line_in_file } from '../../../resources/files/line_in_file.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

const path = '/etc/app.conf'
const root = { path, line: 'root = no', match: '^#?root\\b' }
const holds = (content: string, mode = '0644') => ({
  given: (host: VirtualHost) => void host.given(path, content, mode),
})
const becomes = (content: string) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) =>
    void t.equal(host.readText(path), content),
})

contract(t, line_in_file, [
  {
    name: 'replaces the line that matches, where it is',
    props: root,
    ...holds('a\n#root = yes\nb\n', '0640'),
    changes: ['replace /lines/0 = "root = no"'],
    then(t, host) {
      t.equal(host.readText(path), 'a\nroot = no\nb\n')
      t.equal(host.stat(path)?.mode, '0640')
    },
  },
  { name: 'finds the line', props: root, ...holds('a\nroot = no\n'), changes: [], ...becomes('a\nroot = no\n') },
  {
    name: 'adds it at the end',
    props: root,
    ...holds('a\nb'),
    changes: ['add /lines/0'],
    ...becomes('a\nb\nroot = no\n'),
  },
  { name: 'at the start', props: { ...root, insertAt: 'start' }, ...holds('a\n'), ...becomes('root = no\na\n') },
  {
    name: 'after a line',
    props: { ...root, insertAfter: '^\\[a' },
    ...holds('[a]\n[b]\n'),
    ...becomes('[a]\nroot = no\n[b]\n'),
  },
  {
    name: 'before a line',
    props: { ...root, insertBefore: '^\\[b' },
    ...holds('[a]\n[b]\n'),
    ...becomes('[a]\nroot = no\n[b]\n'),
  },
  {
    name: 'a line that does not match its expression',
    props: { path, line: 'new', match: '^old$' },
    ...holds('old\n'),
    ...becomes('new\n'),
  },
  {
    name: 'takes a dollar sign literally',
    props: { path, line: '$1 $& \\n', match: '^old$' },
    ...holds('old\n'),
    ...becomes('$1 $& \\n\n'),
  },
  { name: 'keeps the line ends of Windows', props: root, ...holds('a\r\nroot\r\n'), ...becomes('a\r\nroot = no\r\n') },
  {
    name: 'removes all lines that match',
    props: { ...root, absent: true },
    ...holds('root = 1\na\n#root\n'),
    ...becomes('a\n'),
  },
  { name: 'nothing to remove', props: { ...root, absent: true }, ...holds('a\n'), changes: [] },
  { name: 'nothing to remove in no file', props: { ...root, absent: true }, changes: [] },
  {
    name: 'creates the file with its mode',
    props: { ...root, create: true, mode: '0600' },
    changes: ['replace /mode', 'add /lines/0', 'replace /exists'],
    then: (t, host) => void t.equal(host.stat(path)?.mode, '0600'),
  },
  { name: 'sets the mode only', props: { ...root, mode: '0600' }, ...holds('root = no\n'), changes: ['replace /mode'] },
  { name: 'the same line twice', props: { path, line: 'a' }, ...holds('a\na\n'), changes: [] },
  {
    name: 'several lines that match',
    props: root,
    ...holds('root = no\n#root\n'),
    fails: /several lines .* line 1, 2.*extend "match"/,
  },
  {
    name: 'several places',
    props: { ...root, insertAfter: 'a' },
    ...holds('a\na\n'),
    fails: /2 lines of .*extend "insertAfter"/,
  },
  {
    name: 'no such place',
    props: { ...root, insertBefore: 'x' },
    ...holds('a\n'),
    fails: /no line of .*correct "insertBefore"/,
  },
  { name: 'no file', props: root, fails: /the file \/etc\/app\.conf does not exist.*set create to true/ },
  { name: 'a directory', props: root, given: (host) => void host.given(path, null), fails: /is a directory/ },
  { name: 'a link', props: root, given: (host) => void host.given(path, { link: '/etc/passwd' }), fails: /is a link/ },
])

t.test('refuses several lines, and invalid expressions', async (t) => {
  for (const props of [
    { path, line: 'a\nb' },
    { path, line: '' },
    { ...root, match: '(' },
    { ...root, insertAfter: 'a', insertBefore: 'b' },
  ])
    t.throws(() => planOf((r) => line_in_file(r, props)))
})

t.test('a file in another encoding stays as it is', async (t) => {
  const host = new VirtualHost()
  host.writeFile(path, Buffer.from([0x61, 0xe4, 0x0a]))
  t.match(
    failureOf(
      await run(
        planOf((r) => line_in_file(r, root)),
        host,
      ),
    ),
    { code: 'NOT_UTF8' },
  )
  t.equal(host.readBytes(path)?.length, 3)
})

t.test('any file: the other lines stay, and a second run changes nothing', async () => {
  const text = fc
    .array(fc.constantFrom('a', 'root', '#root 1', '', ' x '))
    .map((lines) => lines.map((line) => `${line}\n`).join(''))
  await fc.assert(
    fc.asyncProperty(text, fc.boolean(), async (content, absent) => {
      const host = new VirtualHost()
      host.given(path, content)
      const plan = planOf((r) => line_in_file(r, { ...root, absent }))
      const others = (all: string) =>
        all
          .split('\n')
          .filter((line) => !/root/.test(line))
          .join('\n')
      const first = await run(plan, host)
      if (failureOf(first) !== undefined) return host.readText(path) === content
      return others(host.readText(path) ?? '') === others(content) && patchOf(await run(plan, host)).length === 0
    }),
  )
})

/** Tests line_in_file: replacing, adding and removing one line of a file. */
import fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { line_in_file } from '../../../resources/files/line_in_file.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

const path = '/etc/app.conf'
const root = { path, line: 'root = no', match: '^#?root\\b' }
const withContent = (content: string, mode = '0644') => ({
  given: (host: VirtualHost) => void host.given(path, content, mode),
})
const endsAs = (content: string) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) =>
    void t.equal(host.readText(path), content),
})

contract(t, line_in_file, [
  {
    name: 'replaces the matching line at its position',
    props: root,
    ...withContent('a\n#root = yes\nb\n', '0640'),
    changes: ['replace /lines/0 = "root = no"'],
    then(t, host) {
      t.equal(host.readText(path), 'a\nroot = no\nb\n')
      t.equal(host.stat(path)?.mode, '0640')
    },
  },
  {
    name: 'leaves a correct line unchanged',
    props: root,
    ...withContent('a\nroot = no\n'),
    changes: [],
    ...endsAs('a\nroot = no\n'),
  },
  {
    name: 'adds a missing line at the end',
    props: root,
    ...withContent('a\nb'),
    changes: ['add /lines/0'],
    ...endsAs('a\nb\nroot = no\n'),
  },
  {
    name: 'adds a missing line at the start',
    props: { ...root, insertAt: 'start' },
    ...withContent('a\n'),
    ...endsAs('root = no\na\n'),
  },
  {
    name: 'adds a missing line after another line',
    props: { ...root, insertAfter: '^\\[a' },
    ...withContent('[a]\n[b]\n'),
    ...endsAs('[a]\nroot = no\n[b]\n'),
  },
  {
    name: 'adds a missing line before another line',
    props: { ...root, insertBefore: '^\\[b' },
    ...withContent('[a]\n[b]\n'),
    ...endsAs('[a]\nroot = no\n[b]\n'),
  },
  {
    name: 'replaces a line by one that the expression does not match',
    props: { path, line: 'new', match: '^old$' },
    ...withContent('old\n'),
    ...endsAs('new\n'),
  },
  {
    name: 'writes a dollar sign literally',
    props: { path, line: '$1 $& \\n', match: '^old$' },
    ...withContent('old\n'),
    ...endsAs('$1 $& \\n\n'),
  },
  { name: 'keeps line ends of Windows', props: root, ...withContent('a\r\nroot\r\n'), ...endsAs('a\r\nroot = no\r\n') },
  {
    name: 'removes all matching lines',
    props: { ...root, absent: true },
    ...withContent('root = 1\na\n#root\n'),
    ...endsAs('a\n'),
  },
  {
    name: 'does nothing if no line to remove matches',
    props: { ...root, absent: true },
    ...withContent('a\n'),
    changes: [],
  },
  {
    name: 'does nothing if the file does not exist and the line must be absent',
    props: { ...root, absent: true },
    changes: [],
  },
  {
    name: 'creates the file with its mode',
    props: { ...root, create: true, mode: '0600' },
    changes: ['replace /mode', 'add /lines/0', 'replace /exists'],
    then: (t, host) => void t.equal(host.stat(path)?.mode, '0600'),
  },
  {
    name: 'changes only the mode of a file with the line',
    props: { ...root, mode: '0600' },
    ...withContent('root = no\n'),
    changes: ['replace /mode'],
  },
  { name: 'accepts a file with the line twice', props: { path, line: 'a' }, ...withContent('a\na\n'), changes: [] },
  {
    name: 'fails if several lines match',
    props: root,
    ...withContent('root = no\n#root\n'),
    fails: /several lines .* line 1, 2.*extend "match"/,
  },
  {
    name: 'fails if several lines match insertAfter',
    props: { ...root, insertAfter: 'a' },
    ...withContent('a\na\n'),
    fails: /2 lines of .*extend "insertAfter"/,
  },
  {
    name: 'fails if no line matches insertBefore',
    props: { ...root, insertBefore: 'x' },
    ...withContent('a\n'),
    fails: /no line of .*correct "insertBefore"/,
  },
  {
    name: 'fails if the file does not exist',
    props: root,
    fails: /the file \/etc\/app\.conf does not exist.*set create to true/,
  },
  {
    name: 'fails if the path is a directory',
    props: root,
    given: (host) => void host.given(path, null),
    fails: /is a directory/,
  },
  {
    name: 'fails if the path is a link',
    props: root,
    given: (host) => void host.given(path, { link: '/etc/passwd' }),
    fails: /is a link/,
  },
])

t.test('refuses several lines, and invalid expressions', async (t) => {
  for (const props of [
    { path, line: 'a\nb' },
    { path, line: '' },
    { ...root, match: '(' },
    { ...root, insertAfter: 'a', insertBefore: 'b' },
  ])
    t.throws(() => planOf((r) => line_in_file(r, props)), { code: 'INVALID_PROP' })
})

t.test('leaves a file in another encoding unchanged', async (t) => {
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

t.test('keeps the other lines of any file, and changes nothing in a second run', async () => {
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

/** Tests which properties of a change a report displays, and how their values look before and after. */
import t from 'tap'
import { changedProperties, kindOfChange } from '../../../core/report/change_rows.ts'
import type { ResourceReport, StateChange } from '../../../core/report/events.ts'

const replaced = (path: string, before: unknown, value: unknown): StateChange => ({
  op: 'replace',
  path,
  before,
  value,
})

function report(patch: readonly StateChange[], more: Partial<ResourceReport> = {}): ResourceReport {
  const named = { name: 'thing /a', type: 'thing', key: '/a', role: 'web', event: 'deploy' }
  return { ...named, outcome: 'planned', durationMs: 1, patch, ...more }
}

function rows(patch: readonly StateChange[], more: Partial<ResourceReport> = {}, isComplete = false): string[] {
  return changedProperties(report(patch, more), isComplete).map(
    ({ name, before, after }) => `${name}: ${before} -> ${after}`,
  )
}

t.test('lists properties in the order of the state, and the items of lists by their position', (t) => {
  t.strictSame(
    rows([
      { op: 'remove', path: '/flags/2', before: 'noexec' },
      { op: 'remove', path: '/flags/1', before: 'ro' },
      { op: 'add', path: '/env/HTTP~1PROXY', value: 'http://proxy' },
      replaced('/mode', '0644', '0600'),
    ]),
    [
      'mode: 0644 -> 0600',
      'env.HTTP/PROXY: (none) -> http://proxy',
      'flags.1: ro -> (none)',
      'flags.2: noexec -> (none)',
    ],
  )
  t.end()
})

t.test('spells out control characters, and quotes text that looks like something else', (t) => {
  const shown = (value: unknown) => rows([replaced('/text', null, value)])[0]?.replace('text: (none) -> ', '')
  t.equal(shown('two\nlines\t'), '"two\\nlines\\t"')
  t.equal(shown('\x1b[31mred\x07'), '"\\u001b[31mred\\u0007"')
  t.equal(shown('a\u202eb'), '"a\\u202eb"')
  t.equal(shown(' blank'), '" blank"')
  t.equal(shown(''), '""')
  t.equal(shown('(none)'), '"(none)"')
  t.equal(shown('"quoted"'), '"\\"quoted\\""')
  t.equal(shown(['a', 1, true]), '["a",1,true]')
  t.equal(rows([replaced('/a\nb', 1, 2)])[0], 'a\\nb: 1 -> 2')
  t.end()
})

t.test('shortens long values around their first difference, and digests to their first part', (t) => {
  const [one, two] = ['x', 'y'].map((end) => `${'nas:/blobs '.repeat(9)}${end}`)
  t.match(rows([replaced('/fstab', one, two)])[0], /^fstab: …(.{12})x -> …\1y$/)
  t.strictSame(rows([replaced('/fstab', one, two)], {}, true), [`fstab: ${one} -> ${two}`], 'all of it with --verbose')
  t.match(rows([replaced('/text', 'a', 'z'.repeat(100))])[0], /^text: a -> z{59}…$/)
  t.strictSame(rows([replaced('/commit', 'a'.repeat(40), 'b'.repeat(40))]), ['commit: aaaaaaaa -> bbbbbbbb'])
  t.end()
})

t.test('leaves out what a diff, the words of the type or the sign of the line say', (t) => {
  const digest = 'c'.repeat(64)
  t.strictSame(rows([replaced('/cause', null, 'x'), replaced('/ranFor', null, digest)]), [])
  t.strictSame(rows([replaced('/source', digest, 'd'.repeat(64))]), ['source: cccccccc -> dddddddd'])
  t.strictSame(rows([replaced('/content', 'a', 'b')], { texts: { before: 'a', after: 'b' } }), [])
  t.strictSame(rows([replaced('/content', 'a', 'b')], { diff: ['-a', '+b'] }), [], 'of a host of a rollout')
  t.strictSame(rows([replaced('/content', '(sensitive)', '(sensitive)')], { texts: null }), [
    'content: (sensitive) -> (sensitive)',
  ])
  const restart = [replaced('/web/restartedFor', digest, 'd'.repeat(64)), replaced('/web/state', 'stopped', 'running')]
  t.strictSame(rows([...restart, replaced('/complete', false, true)], { words: 'restart web' }), [
    'web.state: stopped -> running',
  ])
  const created = [replaced('/mode', null, '0644'), replaced('/owner', null, null), replaced('/kind', 'absent', 'file')]
  t.strictSame(rows(created), ['mode: (none) -> 0644'])
  t.strictSame(rows([replaced('/mode', '0644', null), replaced('/kind', 'file', 'absent')]), [])
  t.end()
})

t.test('distinguishes a created or removed resource from a changed one', (t) => {
  t.equal(kindOfChange([replaced('/kind', 'absent', 'file')]), 'create')
  t.equal(kindOfChange([{ op: 'replace', path: '/kind', value: 'file' }]), 'create', 'of an earlier version')
  t.equal(kindOfChange([replaced('/kind', 'file', 'absent')]), 'remove')
  t.equal(kindOfChange([replaced('/kind', 'link', 'file')]), 'change')
  t.equal(kindOfChange([replaced('/exists', false, true)]), 'create')
  t.equal(kindOfChange([replaced('/exists', true, false)]), 'remove')
  t.equal(kindOfChange([replaced('/mode', 'a', 'b')]), 'change')
  t.end()
})

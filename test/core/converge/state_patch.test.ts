/** Tests the patch of a change: the values before and after, without secrets. */
import t from 'tap'
import { StatePatch } from '../../../core/converge/state_patch.ts'
import { Secrets } from '../../../core/model/secrets.ts'

async function patch(now: unknown, desired: unknown, { known = [] as string[], sensitive = false } = {}) {
  const secrets = new Secrets()
  for (const one of known) secrets.add(one)
  return (await StatePatch.between(now, desired, { secrets, sensitive })).operations
}

t.test('has the value before of each operation that replaces or removes one', async (t) => {
  t.strictSame(
    await patch({ mode: '0644', flags: ['a', 'b'], env: {} }, { mode: '0600', flags: ['a'], env: { A: 1 } }),
    [
      { op: 'add', path: '/env/A', value: 1 },
      { op: 'remove', path: '/flags/1', before: 'b' },
      { op: 'replace', path: '/mode', value: '0600', before: '0644' },
    ],
  )
  t.strictSame(await patch(null, { kind: 'file' }), [
    { op: 'remove', path: '/value', before: null },
    { op: 'add', path: '/kind', value: 'file' },
  ])
  const [long] = await patch({ text: 'x'.repeat(5000) }, { text: 'y' })
  t.match(long, { value: 'y', before: /^\(5000 bytes, sha256 [0-9a-f]{64}\)$/ })
})

t.test('masks secrets on both sides', async (t) => {
  const known = ['new-Secret1']
  const before = async (now: unknown, desired: unknown) => (await patch(now, desired, { known }))[0]?.before
  t.equal(await before({ value: 'old-Secret2' }, { value: 'new-Secret1' }), '********', 'in the place of a secret')
  t.equal(
    await before({ url: 'http://h/?k=old-Secret2&x' }, { url: 'http://h/?k=new-Secret1&x' }),
    'http://h/?k=********&x',
  )
  t.equal(
    await before({ a: 'new-Secret1 and more' }, { a: 'nothing' }),
    '******** and more',
    'a known one that is removed',
  )
  t.equal(await before({ env: { DB_PASSWORD: 'old-Secret2' } }, { env: {} }), '********', 'by the name')
  t.equal(await before({ line: 'DB_PASSWORD=old-Secret2' }, { line: '' }), 'DB_PASSWORD=********')
  t.equal(await before({ password: null }, { password: 'new-Secret1' }), null)
  t.equal(await before({ password: '' }, { password: 'new-Secret1' }), '')
  const nested = await patch({ env: { API_TOKEN: 'old-Secret2', LANG: 'C' } }, { env: null }, { known })
  t.strictSame(nested, [{ op: 'replace', path: '/env', value: null, before: { API_TOKEN: '********', LANG: 'C' } }])
  const unnamed = await patch({ password: 'old' }, { password: 'new' })
  t.strictSame(unnamed, [{ op: 'replace', path: '/password', value: '********', before: '********' }])
})

t.test('displays neither side of a sensitive resource', async (t) => {
  t.strictSame(await patch({ content: 'a', mode: '0644', n: 1 }, { content: 'b', mode: '0600' }, { sensitive: true }), [
    { op: 'remove', path: '/n', before: '(sensitive)' },
    { op: 'replace', path: '/mode', value: '0600', before: '0644' },
    { op: 'replace', path: '/content', value: '(sensitive)', before: '(sensitive)' },
  ])
})

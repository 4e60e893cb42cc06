/** Tests that a report shows a pin, and nothing else that the account of an app puts in its place. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { LocalHost } from '../../core/host/local.ts'
import { readPin } from '../../recipes/plone/rollback_pin.ts'

t.test('shows a pin in a report, and nothing that is in its place', (t) => {
  const releases = t.testdir({ secret: 'root:$6$salt$hash:20228\n', large: 'x'.repeat(100_000) })
  const path = `${releases}/.held`
  const read = (make: () => void) => {
    rmSync(path, { force: true, recursive: true })
    make()
    return readPin(new LocalHost(`${releases}/state`), { releases })
  }
  t.equal(
    read(() => undefined),
    null,
  )
  t.equal(
    read(() => writeFileSync(path, '000002-c0ffeec0\n')),
    '000002-c0ffeec0',
  )
  const hostile = {
    'a link to a file of another account': () => symlinkSync(`${releases}/secret`, path),
    'a large file': () => symlinkSync(`${releases}/large`, path),
    'a device': () => symlinkSync('/dev/zero', path),
    'a directory': () => mkdirSync(path),
    'a named pipe': () => execFileSync('mkfifo', [path]),
    'another text': () => writeFileSync(path, '000002-c0ffeec0\n\u001b[31mforged\n'),
  }
  for (const [name, make] of Object.entries(hostile)) t.equal(read(make), null, name)
  t.end()
})

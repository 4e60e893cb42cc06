/** Follows docs/testing-recipes.md: the files of its examples are tests that converge test runs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { Sandbox } from '../support/program.ts'
import { kitExamples } from './kit_examples.ts'

t.test('the examples are green tests, and the snapshot is the one of the page', async (t) => {
  const sandbox = new Sandbox(t)
  const { files, snapshot } = kitExamples()
  for (const [path, text] of Object.entries({ ...files, 'test/motd.snapshot.txt': snapshot })) {
    mkdirSync(dirname(join(sandbox.directory, 'my-recipes', path)), { recursive: true })
    writeFileSync(join(sandbox.directory, 'my-recipes', path), text)
  }
  const { status, stdout, stderr } = await sandbox.converge(['test', join(sandbox.directory, 'my-recipes')], {
    bare: true,
  })
  t.equal(status, 0, `${stdout}${stderr}`)
  t.match(stdout, /pass 11\n/)
})

/** Tests making directories with all missing parents, and the errors if they cannot be made. */
import * as fs from 'node:fs'
import t from 'tap'
import { makeDirectories } from '../../../core/host/directories.ts'
import { needs, scratch } from '../../support/machine.ts'

t.test('creates missing directories, and leaves existing ones unchanged', async (t) => {
  const at = scratch(t)
  makeDirectories(`${at}/a/b/c`, 0o750)
  t.equal(fs.statSync(`${at}/a/b`).mode & 0o777, 0o750)
  makeDirectories(`${at}/a/b`, 0o700)
  t.equal(fs.statSync(`${at}/a/b`).mode & 0o777, 0o750)
  fs.symlinkSync(`${at}/a`, `${at}/link`)
  makeDirectories(`${at}/link/d`, 0o700)
  t.ok(fs.existsSync(`${at}/a/d`))
})

t.test('reports a directory that cannot be created', async (t) => {
  const at = scratch(t)
  fs.writeFileSync(`${at}/file`, '')
  fs.symlinkSync(`${at}/nowhere`, `${at}/dangling`)
  t.throws(() => makeDirectories(`${at}/file`, 0o700), {
    code: 'IN_THE_WAY',
    message: `${at}/file is a file, but it must be a directory`,
  })
  t.throws(() => makeDirectories(`${at}/file/below`, 0o700), { code: 'ENOTDIR' })
  t.throws(() => makeDirectories(`${at}/dangling/below`, 0o700), {
    code: 'IN_THE_WAY',
    message: `${at}/dangling is a link to nothing, but it must be a directory`,
  })
})

t.test('reports a file system that refuses new names', async (t) => {
  if (!needs(t, ['proc'])) return
  t.throws(() => makeDirectories('/proc/nowhere/below', 0o700), { code: 'ENOENT' })
})

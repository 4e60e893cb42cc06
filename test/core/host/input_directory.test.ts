/** Tests which files of a directory are listed that a user names as input. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inputFilesBelow } from '../../../core/host/input_directory.ts'
import { scratch } from '../../support/machine.ts'

t.test('lists files by name, through links, and ends in a circle of links', async (t) => {
  const directory = scratch(t)
  fs.mkdirSync(join(directory, 'd/sub/empty'), { recursive: true })
  fs.writeFileSync(join(directory, 'outside'), '')
  fs.writeFileSync(join(directory, 'd/sub/run'), '', { mode: 0o755 })
  fs.symlinkSync('../outside', join(directory, 'd/link'))
  fs.symlinkSync('..', join(directory, 'd/sub/up'))
  fs.symlinkSync('sub', join(directory, 'd/again'))
  t.strictSame(inputFilesBelow(join(directory, 'd')), [
    { name: 'again/run', path: join(directory, 'd/again/run'), isExecutable: true },
    { name: 'link', path: join(directory, 'd/link'), isExecutable: false },
    { name: 'sub/run', path: join(directory, 'd/sub/run'), isExecutable: true },
  ])
})

t.test('names what it cannot read', async (t) => {
  const directory = scratch(t)
  t.throws(() => inputFilesBelow(join(directory, 'gone')), { code: 'ENOENT', path: join(directory, 'gone') })
  fs.writeFileSync(join(directory, 'file'), '')
  t.throws(() => inputFilesBelow(join(directory, 'file')), { code: 'ENOTDIR', path: join(directory, 'file') })
  fs.symlinkSync('nothing', join(directory, 'dangling'))
  t.throws(() => inputFilesBelow(directory), { code: 'ENOENT', path: join(directory, 'dangling') })
})

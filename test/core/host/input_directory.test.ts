/** Tests which files of a directory are listed that a user names as input. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inputFilesBelow } from '../../../core/host/input_directory.ts'
import { scratch } from '../../support/machine.ts'

t.test('lists files by name, through links, and ends in a circle of links', async (t) => {
  const place = scratch(t)
  fs.mkdirSync(join(place, 'd/sub/empty'), { recursive: true })
  fs.writeFileSync(join(place, 'outside'), '')
  fs.writeFileSync(join(place, 'd/sub/run'), '', { mode: 0o755 })
  fs.symlinkSync('../outside', join(place, 'd/link'))
  fs.symlinkSync('..', join(place, 'd/sub/up'))
  fs.symlinkSync('sub', join(place, 'd/again'))
  t.strictSame(inputFilesBelow(join(place, 'd')), [
    { name: 'again/run', path: join(place, 'd/again/run'), isExecutable: true },
    { name: 'link', path: join(place, 'd/link'), isExecutable: false },
    { name: 'sub/run', path: join(place, 'd/sub/run'), isExecutable: true },
  ])
})

t.test('names what it cannot read', async (t) => {
  const place = scratch(t)
  t.throws(() => inputFilesBelow(join(place, 'gone')), { code: 'ENOENT', path: join(place, 'gone') })
  fs.writeFileSync(join(place, 'file'), '')
  t.throws(() => inputFilesBelow(join(place, 'file')), { code: 'ENOTDIR', path: join(place, 'file') })
  fs.symlinkSync('nothing', join(place, 'dangling'))
  t.throws(() => inputFilesBelow(place), { code: 'ENOENT', path: join(place, 'dangling') })
})

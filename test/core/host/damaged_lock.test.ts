/** Tests lock files with arbitrary content: neither an internal error nor an endless loop occurs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { acquireLock, lockHolder } from '../../../core/host/lock.ts'
import { StateDirectory } from '../../../core/host/state_directory.ts'
import { seconds } from '../../../core/model/units.ts'
import { scratch } from '../../support/machine.ts'

const name = fc.oneof(
  fc.constantFrom('1', '007', '9007199254740992', '9007199254740993', '99999999999999999999', '-1', '1e9', ''),
  fc.stringMatching(/^[0-9a-z.-]{1,40}$/),
)
const content = fc.oneof(
  fc.json(),
  fc.constantFrom('', '{}', '[]', 'null', '0', '{"pid":1}', '{"pid":"1","started":1}'),
)

t.test('one run only gets the lock, whatever its directory contains', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, content), { maxLength: 4 }), async (files) => {
      const path = `${scratch(t)}/lock`
      mkdirSync(`${path}.d`)
      for (const [file, text] of files) if (!['', '.', '..'].includes(file)) writeFileSync(`${path}.d/${file}`, text)
      const lock = await acquireLock(path, 'converge x', seconds(0))
      if (lockHolder(path)?.pid !== process.pid) throw new Error('it is not locked')
      await t.rejects(acquireLock(path, 'converge y', seconds(0)), { code: 'LOCKED' })
      lock.release()
    }),
    { numRuns: 60 },
  )
})

t.test('ignores a directory in place of a claim', async (t) => {
  const path = `${scratch(t)}/lock`
  mkdirSync(`${path}.d/5`, { recursive: true })
  const lock = await acquireLock(path, 'converge x', seconds(0))
  t.equal(lockHolder(path)?.pid, process.pid)
  lock.release()
})

t.test('ignores a journal with a number above 2^53', async (t) => {
  const directory = scratch(t)
  mkdirSync(`${directory}/runs`)
  for (const run of ['000041', '9007199254740993']) writeFileSync(`${directory}/runs/${run}.jsonl`, '{}\n')
  t.equal(new StateDirectory(directory).nextRun(), '000042')
})

/**
 * Tests any content of the files that the engine reads back: the reader returns a result or an error with a code, and
 * never crashes.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { lastRun } from '../../core/cli/commands/last_run.ts'
import { readDeployLock, removeDeployLock } from '../../core/host/deploy_lock.ts'
import { LocalHost } from '../../core/host/local.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import { scratch } from '../support/machine.ts'

const fields = [
  'event',
  'report',
  'started',
  'roles',
  'events',
  'outcome',
  'counts',
  'changed',
  'by',
  'since',
  'message',
]
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, 0, -1, true, '', 'start', 'end', 'failed', [], {}),
    fc.string(),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...fields, 'id', 'commit', 'identity', 'record', 'reason', 'test'), tie('any')),
  ),
})).any
const line = fc.oneof(
  value.map((one) => JSON.stringify(one)),
  fc.string(),
)
const text = fc.array(line, { maxLength: 5 }).map((lines) => lines.join('\n'))

/** Returns true for a result, or for an error with a code other than INTERNAL. */
function isHandled(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    return asConvergeError(error).code !== 'INTERNAL'
  }
}

t.test('reads damaged journals and deploy locks, or refuses them with the path', async (t) => {
  const state = scratch(t)
  fs.mkdirSync(`${state}/runs`)
  const files = [`${state}/runs/000001.jsonl`, `${state}/deploy-lock.json`] as const
  const readers = [() => lastRun(state), () => readDeployLock(state)]
  fc.assert(
    fc.property(text, (content) => {
      for (const file of files) fs.writeFileSync(file, content)
      return readers.every(isHandled)
    }),
  )
  for (const [what, make] of [
    ['a directory', (path: string) => fs.mkdirSync(path)],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
  ] as const) {
    for (const file of files) {
      fs.rmSync(file, { recursive: true, force: true })
      make(file)
    }
    t.equal(lastRun(state)?.outcome, 'not readable', what)
    t.throws(() => readDeployLock(state), { code: 'BROKEN_LOCK' }, what)
    removeDeployLock(state)
    t.equal(readDeployLock(state), null)
  }
})

t.test('reads damaged notes of a release, or refuses them with the path', async (t) => {
  const top = scratch(t)
  const host = new LocalHost(`${top}/state`)
  const notes = `${top}/releases/000001-1a2b3c4d/.converge`
  fs.mkdirSync(notes, { recursive: true })
  fs.symlinkSync('releases/000001-1a2b3c4d', `${top}/current`)
  fc.assert(
    fc.property(text, (content) => {
      for (const name of ['release.json', 'smoke-test-failed.json', '../../.history'])
        fs.writeFileSync(`${notes}/${name}`, content)
      return isHandled(() => listReleases(host, `${top}/releases`, `${top}/current`))
    }),
  )
})

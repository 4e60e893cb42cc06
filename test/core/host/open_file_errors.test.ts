/** Tests failures of calls on an open file, whose errors do not contain the path: messages name the file. */
import system, * as fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { readLines } from '../../../core/console/deployments/event_file.ts'
import { incompatibilityOf } from '../../../core/fleet/program_format.ts'
import { readInputFile } from '../../../core/host/input_file.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { replaceFile } from '../../../core/host/replace_file.ts'
import { StateDirectory } from '../../../core/host/state_directory.ts'
import { asConvergeError } from '../../../core/model/errors.ts'
import { scratch } from '../../support/machine.ts'

/** Memory of this process at address 0, which no process has: each read fails with EIO. */
const unreadable = '/proc/self/mem'

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (thrown) {
    return asConvergeError(thrown).message
  }
  return 'no error'
}

/** Makes a system call fail until the end of the test, as a broken disk does. */
function failing(t: Test, name: 'fsyncSync' | 'readSync', syscall: string): void {
  const original = system[name]
  const fail = () => {
    throw Object.assign(new Error(`EIO: i/o error, ${syscall}`), { code: 'EIO', errno: -5, syscall })
  }
  Object.assign(system, { [name]: fail })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(system, { [name]: original })
    syncBuiltinESMExports()
  })
}

t.test('names the file that cannot be read to its end', (t) => {
  const base = scratch(t)
  const link = `${base}/link`
  fs.symlinkSync(unreadable, link)
  const host = new LocalHost(`${base}/state`)
  t.equal(
    messageOf(() => host.readText(unreadable)),
    `read ${unreadable}: input/output error`,
  )
  t.equal(
    messageOf(() => host.readText(link)),
    `read ${link}: input/output error`,
  )
  t.equal(
    messageOf(() => readInputFile(unreadable)),
    `read ${unreadable}: input/output error`,
  )
  t.end()
})

t.test('names files of the fleet and the console', (t) => {
  const path = `${scratch(t)}/file`
  fs.writeFileSync(path, '{}\n'.repeat(100))
  failing(t, 'readSync', 'read')
  t.equal(
    messageOf(() => readLines(path, 0)),
    `read ${path}: input/output error`,
  )
  t.equal(
    messageOf(() => incompatibilityOf(path, 'x64', 'glibc')),
    `read ${path}: input/output error`,
  )
  t.end()
})

t.test('names the file that cannot be written to the disk', (t) => {
  const base = scratch(t)
  const [path, state] = [`${base}/file`, `${base}/state`]
  const host = new LocalHost(state)
  host.writeFile(path, 'text')
  failing(t, 'fsyncSync', 'fsync')
  t.equal(
    messageOf(() => host.flush()),
    `fsync ${path}: input/output error`,
  )
  t.equal(
    messageOf(() => replaceFile(path, 'other')),
    `fsync ${path}: input/output error`,
  )
  t.equal(fs.readFileSync(path, 'utf8'), 'text')
  t.end()
})

t.test('names the journal on a full disk', (t) => {
  const state = new StateDirectory(`${scratch(t)}/state`)
  state.prepare()
  const path = state.journalPath('000001')
  fs.symlinkSync('/dev/full', path)
  const journal = state.openJournal('000001')
  t.teardown(() => journal.close())
  t.equal(
    messageOf(() => journal.write('{}\n')),
    `write ${path}: no space left on the device`,
  )
  t.end()
})

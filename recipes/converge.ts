/** Starts the program `converge`, and ends the process; no other file does. */

import { main } from '../core/cli/main.ts'
import { callerOf, recipeFault } from '../core/compile/source.ts'
import { asConvergeError, describeLocation, failureReason } from '../core/model/errors.ts'
import { printable } from '../core/report/printable.ts'
import { catalogue } from './catalogue.ts'

// A reader that has ended (`converge plan | head`, a terminal that hung up), or a full disk, must not interrupt a run.
let outputFailure: NodeJS.ErrnoException | undefined
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') outputFailure ??= error
  })

// The operator may have the umask 077, but other accounts must read what a run builds and installs.
process.umask(0o022)

let isOver = false
/** Reports an exit before main has returned: the user's code may call process.exit() or wait for nothing. */
process.on('exit', (status) => {
  if (status > 0) return
  if (outputFailure !== undefined) return reportLostOutput(outputFailure)
  if (isOver) return
  // The stack names the caller of process.exit(); without one, the event loop was empty.
  const location = callerOf(new Error().stack)
  const cause = location === undefined ? 'something it waited for never came' : 'process.exit() was called'
  const prefix = location === undefined ? '' : `${describeLocation(location)}: `
  process.stderr.write(`error: ${prefix}the program ended before its work was over: ${cause}\n`)
  process.exitCode = 1
})
function reportLostOutput(failure: NodeJS.ErrnoException): void {
  const { hint } = asConvergeError(failure)
  process.stderr.write(`error: a part of the output was lost: ${failureReason(failure, '')}\n`)
  if (hint !== undefined) process.stderr.write(`  hint: ${hint}\n`)
  process.exitCode = 1
}
process.on('unhandledRejection', (reason) => void endFor(reason, 'a promise that nobody waits for was rejected'))
process.on('uncaughtException', (thrown) => void endFor(thrown, 'a function that ran later threw'))

function endFor(thrown: unknown, what: string): never {
  const error = asConvergeError(recipeFault(thrown, what))
  const where = error.source === undefined ? '' : `${describeLocation(error.source)}: `
  const more = error.code === 'INTERNAL' ? `${error.output}\n` : ''
  process.stderr.write(printable(`error: ${where}${error.message}\n${more}`, false))
  process.exit(1)
}

let endNow = false
const endProcess = () => {
  endNow = true
}
main(process.argv.slice(2), catalogue, endProcess).then((status) => {
  isOver = true
  process.exitCode = status
  // Flush the output, then end: other work in this process must not keep the lock any longer.
  if (endNow) process.stdout.write('', () => process.stderr.write('', () => process.exit()))
})

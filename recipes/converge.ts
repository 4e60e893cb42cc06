/** The program `converge`: the only place that ends the process. */

import { main } from '../core/cli/main.ts'
import { callerOf, recipeFault } from '../core/compile/source.ts'
import { asConvergeError, describeLocation } from '../core/model/errors.ts'
import { printable } from '../core/report/printable.ts'
import { catalogue } from './catalogue.ts'

// A reader that went away (`converge plan | head`, a terminal that hung up) is no reason to leave a run half done.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
  })

// Whoever runs it may keep his own files to himself (umask 077); what is built and installed is for other accounts too.
process.umask(0o022)

let isOver = false
/** Code of the user's runs in this process: it may end it, or leave a promise behind that nobody waits for. */
process.on('exit', (status) => {
  if (isOver || status > 0) return
  // The stack still has who called process.exit(); where nobody did, nothing was left to wait for.
  const place = callerOf(new Error().stack)
  const what = place === undefined ? 'something it waited for never came' : 'process.exit() was called'
  const where = place === undefined ? '' : `${describeLocation(place)}: `
  process.stderr.write(`error: ${where}the program ended before its work was over: ${what}\n`)
  process.exitCode = 1
})
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
  // Said first, then ended: what goes on in this process must not hold the lock any longer than that.
  if (endNow) process.stdout.write('', () => process.stderr.write('', () => process.exit()))
})

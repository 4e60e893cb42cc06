/** The program `converge`: the only place that ends the process. */
import { main } from '../core/cli/main.ts'
import { catalogue } from './catalogue.ts'

// A reader that went away (`converge plan | head`, a terminal that hung up) is no reason to leave a run half done.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
  })

// Whoever runs it may keep his own files to himself (umask 077); what is built and installed is for other accounts too.
process.umask(0o022)

let endNow = false
const endProcess = () => {
  endNow = true
}
main(process.argv.slice(2), catalogue, endProcess).then((status) => {
  process.exitCode = status
  // Said first, then ended: what goes on in this process must not hold the lock any longer than that.
  if (endNow) process.stdout.write('', () => process.stderr.write('', () => process.exit()))
})

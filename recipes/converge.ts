/** The program `converge`: the only place that ends the process. */
import { main } from '../core/cli/main.ts'
import { catalogue } from './catalogue.ts'

// A reader that went away (`converge plan | head`, a terminal that hung up) is no reason to leave a run half done.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
  })

main(process.argv.slice(2), catalogue).then((status) => {
  process.exitCode = status
})

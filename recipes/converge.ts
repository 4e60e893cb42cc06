/** The program `converge`: the only place that ends the process. */
import { main } from '../core/cli/main.ts'
import { catalogue } from './catalogue.ts'

// A reader that went away (`converge plan | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

main(process.argv.slice(2), catalogue).then((status) => {
  process.exitCode = status
})

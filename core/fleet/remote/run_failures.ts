/** Failures of a run on a host that its own events do not report. */
import { ConvergeError } from '../../model/errors.ts'
import type { FailureReport } from '../../report/events.ts'
import { tail } from './heard.ts'

export const notBegun = () =>
  new ConvergeError('ended before anything was begun on the host', {
    code: 'INTERRUPTED',
    hint: 'run it again to finish',
  })

/** @param said what the run wrote to standard error */
export const died = (message: string, said: string): FailureReport => ({
  ...{ code: 'RUN_DIED', message, hint: 'run again to finish what is left' },
  ...(said.trim() === '' ? {} : { output: tail(said) }),
})

export const silent: FailureReport = {
  code: 'REMOTE_FAILED',
  message: 'converge ended on the host without any output, so nothing was done',
  hint: 'remove /usr/local/lib/converge on the host (below its prefix, if it has one), whose files may be damaged, and run again',
}

/** Builds the errors for failures of a run that its own events do not report. */
import { ConvergeError } from '../../model/errors.ts'
import type { FailureReport, RunReport } from '../../report/events.ts'
import { lastLines } from './event_stream.ts'

export const interruptedBeforeStart = () =>
  new ConvergeError('ended before anything was begun on the host', {
    code: 'INTERRUPTED',
    hint: 'run it again to finish',
  })

/** @param errors standard error of the run */
export const runDied = (message: string, errors: string): FailureReport => ({
  code: 'RUN_DIED',
  message,
  hint: 'run again to finish what is left',
  ...(errors.trim() === '' ? {} : { output: lastLines(errors) }),
})

export const noOutput: FailureReport = {
  code: 'REMOTE_FAILED',
  message: 'converge ended on the host without any output, so nothing was done',
  hint: 'remove /usr/local/lib/converge on the host (below its prefix, if it has one), whose files may be damaged, and run again',
}

/** Builds the failure of a run that ended with exit status 0 and whose report is not that of a success. */
export const contradictoryEnd = (report: RunReport | null): FailureReport => ({
  code: 'REMOTE_FAILED',
  message: `converge ended on the host with exit status 0, but ${report === null ? 'sent no valid report' : `reported the outcome "${report.outcome}"`}`,
  hint: 'run "converge stack log last HOST" to see what the host sent; if its files may be damaged, remove /usr/local/lib/converge on the host (below its prefix, if it has one), and run again',
})

/** @param last the failure of the last attempt to connect */
export const lostHost = (host: string, last: ConvergeError) =>
  new ConvergeError(`the host became unreachable in the middle of its run: ${last.message}`, {
    code: 'HOST_LOST',
    hint: `run "converge stack status --host ${host}" when the host answers: it shows how the run ended, which continues without a connection; then repeat this command`,
    cause: last,
  })

/**
 * Builds the error for a run that cannot be followed further. Its cause shows that the run may have changed the host.
 * @param taken why nothing more may run on the host
 */
export const takenHost = (taken: ConvergeError) =>
  new ConvergeError(`the end of the run is unknown: ${taken.message}`, {
    code: 'HOST_TAKEN',
    hint: taken.hint,
    cause: taken,
  })

/** @param state `stopped` by a signal, or `disk`: the process waits for a disk */
export const stoppedRun = (state: string, pid: string, seconds: number) =>
  new ConvergeError(
    `the run has sent nothing for ${Math.round(seconds)} s: process ${pid} on the host ${state === 'stopped' ? 'is stopped by a signal' : 'waits for a disk or a network file system'}`,
    {
      code: 'HOST_LOST',
      hint:
        state === 'stopped'
          ? `run "kill -CONT ${pid}" on the host, or kill the process, then repeat this command`
          : 'look at the disks and mounts of the host (dmesg, mount), then repeat this command',
    },
  )

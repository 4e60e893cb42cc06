/** The faults that supervisord answers calls with, as errors. */
import { ConvergeError } from '../../core/model/errors.ts'

/** supervisord's faults (supervisor/xmlrpc.py) by number: their name, what they mean, and what helps. */
const faults: Readonly<Record<number, readonly [name: string, words: string, hint?: string]>> = {
  1: ['UNKNOWN_METHOD', 'it does not know the call', 'supervisor 3.0 or later is needed'],
  2: ['INCORRECT_PARAMETERS', 'the parameters are not what the call takes'],
  6: ['SHUTDOWN_STATE', 'it is shutting down', 'wait until it is gone, start it again, then run again'],
  10: ['BAD_NAME', 'it knows no such program', 'look whether its [include] names the directory of the .conf file'],
  11: ['BAD_SIGNAL', 'it does not know the signal'],
  20: [
    'NO_FILE',
    'the file is not there',
    'check the first word of command in the .conf file of the program: supervisord looks for it at that path, or on its own PATH where it has no slash',
  ],
  21: ['NOT_EXECUTABLE', 'the program cannot be executed', 'check the mode of the command, and of its directories'],
  30: ['FAILED', 'it failed'],
  40: ['ABNORMAL_TERMINATION', 'the process ended right after its start'],
  50: ['SPAWN_ERROR', 'the process could not be started', 'its own log says why'],
  60: ['ALREADY_STARTED', 'the process is running already'],
  70: ['NOT_RUNNING', 'the process is not running'],
  90: ['ALREADY_ADDED', 'it has the program already'],
  91: ['STILL_RUNNING', 'a process of the group is still running'],
  92: [
    'CANT_REREAD',
    'it cannot read its configuration',
    'correct the file that is named; the running programs are not touched',
  ],
}

/** The error that a fault of a call becomes. */
export function faultError(
  { code, text }: { code: number; text: string },
  method: string,
  parameters: readonly (string | number | boolean)[],
): ConvergeError {
  const [name, words, hint] = faults[code] ?? [`FAULT_${code}`, text]
  const subject = typeof parameters[0] === 'string' ? ` of ${parameters[0]}` : ''
  const detail = text.replace(/^[A-Z_]+(: )?/, '')
  const more = detail === '' || detail === parameters[0] ? '' : ` (${detail})`
  return new ConvergeError(`supervisord refused ${method}${subject}: ${words}${more}`, {
    code: `SUPERVISOR_${name}`,
    hint,
  })
}

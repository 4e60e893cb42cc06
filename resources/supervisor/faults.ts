/** Converts the faults that supervisord returns into errors. */
import { ConvergeError } from '../../core/model/errors.ts'

interface Fault {
  readonly name: string
  readonly words: string
  readonly hint?: string
}

/** supervisord's faults (supervisor/xmlrpc.py) by number. */
const faults: Readonly<Record<number, Fault>> = {
  1: {
    name: 'UNKNOWN_METHOD',
    words: 'it does not support the call',
    hint: 'add the section [rpcinterface:supervisor] of the default supervisord.conf to its configuration, then restart it',
  },
  2: { name: 'INCORRECT_PARAMETERS', words: 'the parameters are not what the call takes' },
  6: {
    name: 'SHUTDOWN_STATE',
    words: 'it is shutting down',
    hint: 'wait until it has ended, start it (service supervisor start), then run again',
  },
  10: {
    name: 'BAD_NAME',
    words: 'it has no such program',
    hint: 'add the directory of the .conf file to files in [include] of supervisord.conf, then run again',
  },
  11: { name: 'BAD_SIGNAL', words: 'it does not know the signal' },
  20: {
    name: 'NO_FILE',
    words: 'the file is not there',
    hint: 'install the program (converge.packages, or packages of the layer), or correct the first word of the command (such as port_app.command): supervisord looks for it at that path, or on its own PATH where it has no slash',
  },
  21: {
    name: 'NOT_EXECUTABLE',
    words: 'the program cannot be executed',
    hint: 'make the command executable (chmod +x), and its directories accessible to the account of the program',
  },
  30: { name: 'FAILED', words: 'it failed' },
  40: { name: 'ABNORMAL_TERMINATION', words: 'the process ended right after its start' },
  50: {
    name: 'SPAWN_ERROR',
    words: 'the process could not be started',
    hint: 'read the log of supervisord (logfile in [supervisord]), correct the error there, then run again',
  },
  60: { name: 'ALREADY_STARTED', words: 'the process is running already' },
  70: { name: 'NOT_RUNNING', words: 'the process is not running' },
  90: { name: 'ALREADY_ADDED', words: 'it has the program already' },
  91: { name: 'STILL_RUNNING', words: 'a process of the group is still running' },
  92: {
    name: 'CANT_REREAD',
    words: 'it cannot read its configuration',
    hint: 'correct the file that the message names, then run again; the running programs are not touched',
  },
}

/** Returns the error for a fault of a call. */
export function faultError(
  { code, text }: { code: number; text: string },
  method: string,
  parameters: readonly (string | number | boolean)[],
): ConvergeError {
  const { name, words, hint } = faults[code] ?? { name: `FAULT_${code}`, words: text }
  // The only call here that supervisor 3.0 does not have.
  const isTooOld = code === 1 && method === 'signalProcess'
  const subject = typeof parameters[0] === 'string' ? ` of ${parameters[0]}` : ''
  const detail = text.replace(/^[A-Z_]+(: )?/, '')
  const more = detail === '' || detail === parameters[0] ? '' : ` (${detail})`
  return new ConvergeError(`supervisord refused ${method}${subject}: ${words}${more}`, {
    code: `SUPERVISOR_${name}`,
    hint: isTooOld ? 'upgrade supervisor to 3.2 or later' : hint,
  })
}

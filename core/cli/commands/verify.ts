/** Runs `converge verify`: converges roles twice in a copy of the system, and requires that the second run changes nothing. */
import { join } from 'node:path'
import { firstScriptStatus, inSystemCopy } from '../../host/system_copy.ts'
import { ConvergeError } from '../../model/errors.ts'
import { shellWord } from '../../text/shell.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { printError } from '../print.ts'

/** Exit statuses of the script in the copy; if the first run failed, its status is added to the first one. */
const status = { firstFailed: firstScriptStatus, secondFailed: 80, secondChanged: 81, unchanged: 82 } as const

/** Options of verify that a run does not have. */
const ownOptions = ['--keep', '--share-network', '--detailed-exit-code']

/**
 * @param argv the command line without node and the script
 * @throws NOT_ROOT, NO_COPY, NOT_IDEMPOTENT
 */
export async function verify<N>(
  argv: readonly string[],
  args: Arguments,
  catalogue: Catalogue<N>,
): Promise<ExitStatus> {
  if (process.getuid?.() !== 0)
    throw new ConvergeError('converge verify requires root: it makes a copy of the system with its own mounts', {
      code: 'NOT_ROOT',
      hint: 'run it with sudo; without root, converge test runs the tests of a role in memory',
      usage: true,
    })
  const rest = argv.filter((word) => !ownOptions.includes(word))
  const at = rest.indexOf('verify')
  const run = [process.execPath, join(catalogue.engineDirectory(), 'start.cjs'), ...rest.slice(0, at), 'apply']
  const command = [...run, ...rest.slice(at + 1), '--detailed-exit-code'].map(shellWord).join(' ')
  const ended = await inSystemCopy({
    script: twice(command, args.keep === true),
    sharesNetwork: args.shareNetwork === true,
  })
  if (ended === status.unchanged) {
    printError('verified: the second run changed nothing\n')
    return 0
  }
  if (ended === status.secondChanged)
    throw new ConvergeError('the second run changed something: the recipes are not idempotent', {
      code: 'NOT_IDEMPOTENT',
      hint: 'correct each resource that the second run lists: an execute needs creates, when or a guard, and a type of your own must read back what it wrote',
    })
  if (ended === status.secondFailed)
    throw new ConvergeError('the second run failed, although the first one succeeded', {
      code: 'NOT_IDEMPOTENT',
      hint: 'correct the resource that failed: it must accept the state that the first run left',
    })
  return ended - status.firstFailed === 2 ? 2 : 1
}

/** Exit status 3 of a run means that it changed something. */
function twice(command: string, keep: boolean): string {
  const shell = keep ? 'echo "exit discards the copy" >&2; sh || true; ' : ''
  const end = (number: number | string) => `{ ${shell}exit ${number}; }`
  return `export CONVERGE_VERIFY=copy
echo "first run, in a copy of the system" >&2
${command}
status=$?
[ $status = 0 ] || [ $status = 3 ] || ${end(`$((${status.firstFailed} + status))`)}
echo "second run" >&2
${command}
status=$?
[ $status != 3 ] || ${end(status.secondChanged)}
[ $status = 0 ] || ${end(status.secondFailed)}
${end(status.unchanged)}`
}

/** Runs the actions of `converge stack` as rollouts, one after the other if they use the same hosts. */
import { type Screen, screen } from '../../fleet/screen/screen.ts'
import type { Action, FleetEvent } from '../../fleet/types.ts'
import { asConvergeError } from '../../model/errors.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { useColor } from '../print.ts'
import { fleetHosts } from './hosts.ts'
import { untilInterrupted } from './interrupts.ts'
import { isReadOnlyAction, RecordedRollout } from './recorded_rollout.ts'
import { type RolloutInput, readRolloutInput, rolloutName } from './rollout_input.ts'
import type { StackCommand } from './stack_command.ts'
import { readRecords, stackSelectionOptions } from './state_directory.ts'
import { conflictIn, RolloutQueue } from './wait_for_rollout.ts'

export function rolloutOf(action: Action) {
  return async <N>(call: StackCommand<N>): Promise<ExitStatus> => {
    const out = output(call.args)
    try {
      return await runInTurn(call, action, out)
    } finally {
      out.close()
    }
  }
}

/** Starts the rollout when no other one uses the hosts, and reads its input again then. */
async function runInTurn<N>(call: StackCommand<N>, action: Action, out: Screen): Promise<ExitStatus> {
  const { args } = call
  const emit = (event: FleetEvent) => out.display(call.secrets.maskDeep(event))
  const queue = new RolloutQueue({ action, wait: args.wait, emit, stackOptions: stackSelectionOptions(args) })
  for (;;) {
    const input = await readRolloutInput(call, action)
    const { directory, names } = input
    const conflict = isReadOnlyAction(action) ? null : readRecords(directory, () => conflictIn(directory, names))
    const attempt = conflict ?? (await new RecordedRollout(call, input, out).run())
    if (typeof attempt === 'number') return attempt
    const canLock = () => canLockHosts(call, input, attempt.hosts, out)
    await untilInterrupted(
      () => queue.after(attempt, directory, canLock),
      call.endProcess,
      'stopped waiting; nothing was begun',
    )
  }
}

/** Checks whether a rollout could lock these hosts now, without locking any. */
async function canLockHosts<N>(
  call: StackCommand<N>,
  { inputs, hosts, request }: RolloutInput<N>,
  names: readonly string[],
  out: Screen,
): Promise<boolean> {
  const lockTargets = await fleetHosts(call, inputs, {
    hosts: hosts.filter(({ name }) => names.includes(name)),
    emit: () => undefined,
    screen: out,
    rollout: rolloutName(request),
    by: request.operator,
  })
  try {
    await Promise.all(lockTargets.map(({ client }) => client.connect(true)))
    return true
  } catch (thrown) {
    // The rollout reports any other error.
    return asConvergeError(thrown).code !== 'HOST_HELD'
  } finally {
    for (const { client: host } of lockTargets) host.close()
  }
}

function output(args: Arguments) {
  const stream = process.stdout
  const live = stream.isTTY === true && process.env.TERM !== 'dumb'
  return screen({
    write: (text) => stream.write(text),
    color: args.color ?? useColor(stream),
    live,
    size: () => ({ columns: stream.columns || 100, rows: stream.rows || 24 }),
    json: args.jsonOutput === true,
    quiet: args.quiet === true,
    verbose: args.verbose === true,
    stackOptions: stackSelectionOptions(args),
  })
}

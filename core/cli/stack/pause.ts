/** Runs `converge stack pause` and `converge stack continue` on a rollout that runs on this computer. */
import { shortId } from '../../fleet/records/deployment_number.ts'
import { runningDeployments } from '../../fleet/records/history.ts'
import { readPause, removePause, writePause } from '../../fleet/records/pause.ts'
import type { Deployment } from '../../fleet/records/recorder.ts'
import { unusableDirectory } from '../../fleet/records/state_files.ts'
import { describeOther } from '../../fleet/screen/host_states.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { ExitStatus } from '../exit_status.ts'
import { author } from '../inputs/read_inputs.ts'
import { print, printJson, useColor } from '../print.ts'
import { stackInputs } from './inputs.ts'
import type { StackCommand } from './stack_command.ts'
import { readRecords, stackSelectionOptions, stateDirectoryOf } from './state_directory.ts'

export async function pause<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { directory, deployment } = await runningRollout(call)
  const { by = author(), comment = '' } = call.args
  const earlier = readPause(directory, deployment.id)
  if (earlier === null)
    changeRecords(directory, () =>
      writePause(directory, deployment.id, {
        by,
        comment: call.secrets.mask(comment),
        since: new Date().toISOString(),
      }),
    )
  return report(call, deployment, {
    state: 'paused',
    changed: earlier === null,
    text:
      earlier === null
        ? `paused: no further host starts. Running hosts complete their phase. converge stack continue ${shortId(deployment.id)}${stackSelectionOptions(call.args)} continues it`
        : `already paused by ${earlier.by}`,
  })
}

export async function continueRollout<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { directory, deployment } = await runningRollout(call)
  const earlier = readPause(directory, deployment.id)
  if (earlier !== null) changeRecords(directory, () => removePause(directory, deployment.id))
  return report(call, deployment, {
    state: 'running',
    changed: earlier !== null,
    text: earlier === null ? 'not paused' : 'continues',
  })
}

interface PauseResult {
  readonly state: 'paused' | 'running'
  readonly changed: boolean
  readonly text: string
}

function report<N>(
  { args, secrets }: StackCommand<N>,
  deployment: Deployment,
  { text, ...result }: PauseResult,
): ExitStatus {
  const shown = secrets.maskDeep({ deployment: deployment.id, ...result })
  if (args.jsonOutput) printJson(shown, 2)
  else print(`${secrets.mask(describeOther(deployment))}: ${text}\n`, args.color ?? useColor(process.stdout))
  return 0
}

/** @throws NO_RUNNING_DEPLOYMENT; USAGE if several run and none is named */
async function runningRollout<N>(
  call: StackCommand<N>,
): Promise<{ readonly directory: string; readonly deployment: Deployment }> {
  const { args } = call
  const directory = stateDirectoryOf((await stackInputs(call)).stack)
  const { argument: id } = args
  if (id !== undefined && !/^\d{1,15}$/.test(id))
    throw new ConvergeError(`invalid deployment ${id}: expected its number`, {
      code: 'USAGE',
      hint: `converge stack deployments${stackSelectionOptions(args)} lists the numbers`,
      usage: true,
    })
  const running = readRecords(directory, () => runningDeployments(directory, id))
  const [deployment, ...others] = running
  if (deployment === undefined)
    throw new ConvergeError(
      `${id === undefined ? 'no deployment of this stack runs' : `deployment ${id} does not run`} on this computer`,
      {
        code: 'NO_RUNNING_DEPLOYMENT',
        hint: `run this on the computer on which the rollout was started; converge stack deployments${stackSelectionOptions(args)} lists those of this one`,
        usage: true,
      },
    )
  if (others.length > 0)
    throw new ConvergeError(`several deployments run: ${running.map((one) => shortId(one.id)).join(', ')}`, {
      code: 'USAGE',
      hint: `name one, such as ${shortId(deployment.id)}`,
      usage: true,
    })
  return { directory, deployment }
}

function changeRecords(directory: string, change: () => void): void {
  try {
    change()
  } catch (error) {
    throw unusableDirectory(directory, error, false)
  }
}

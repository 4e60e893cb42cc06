/** Runs `converge stack deployments` and `converge stack log`: prints the recorded deployments of a stack. */
import { dirname, resolve } from 'node:path'
import picocolors from 'picocolors'
import { listDeployments, readDeployment, readLog } from '../../fleet/records/history.ts'
import type { Deployment } from '../../fleet/records/recorder.ts'
import { namesIn } from '../../fleet/records/state_files.ts'
import { validFailure } from '../../fleet/screen/failures.ts'
import { deploymentsTable, describeDeployment, describeLog } from '../../fleet/screen/history.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print, printError, printJson, useColor } from '../print.ts'
import { stackInputs } from './inputs.ts'
import type { StackCommand } from './stack_command.ts'
import { readRecords, stackSelectionOptions, stateDirectoryOf } from './state_directory.ts'

export async function deployments<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const count = limitOf(args)
  const directory = await directoryOf(call)
  // Mask again: a recorded value may have become a secret since.
  const list = secrets.maskDeep(readRecords(directory, () => listDeployments(directory, count)))
  if (args.jsonOutput) {
    printJson(list, 2)
    return 0
  }
  const width = process.stdout.isTTY ? process.stdout.columns || 100 : Number.POSITIVE_INFINITY
  return printText(`${deploymentsTable(list, width, paintOf(args).paint).join('\n')}\n`, args)
}

function limitOf({ limit }: Arguments): number {
  const text = limit?.at(-1)
  if (text === undefined) return Number.POSITIVE_INFINITY
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw new ConvergeError(`invalid --limit "${text}": expected a whole number of deployments`, {
    code: 'USAGE',
    hint: 'converge stack deployments --limit 10',
    usage: true,
  })
}

export async function log<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const directory = await directoryOf(call)
  const deployment = secrets.maskDeep(readRecords(directory, () => requestedDeployment(directory, args)))
  const { paint, color } = paintOf(args)
  const verbose = args.verbose === true
  if (args.secondArgument === undefined) {
    if (args.jsonOutput) printJson(deployment, 2)
    else {
      const how = { now: new Date(), verbose, paint, stackOptions: stackSelectionOptions(args) }
      printText(`${describeDeployment(deployment, how).join('\n')}\n`, args)
    }
    return deployment.outcome === 'not readable' ? 1 : 0
  }
  const { id } = deployment
  const { secondArgument: host } = args
  const lines = secrets.maskDeep(readRecords(directory, () => readLog(directory, id, host)))
  if (lines === null) throw noLog(deployment, args)
  if (!args.jsonOutput) return printText(await describeLog(lines, { paint, color, verbose }), args)
  for (const line of lines) printJson(line)
  return 0
}

/** @throws NO_SUCH_DEPLOYMENT, also for a host instead of a number */
function requestedDeployment(directory: string, args: Arguments): Deployment {
  const { argument: id = 'last' } = args
  if (id !== 'last' && !/^\d+$/.test(id)) {
    const last = listDeployments(directory, 1)[0]
    if (last?.hosts.some(({ host }) => host === id))
      throw new ConvergeError(`invalid deployment ${id}: it is a host, not a number`, {
        code: 'USAGE',
        hint: `converge stack log last ${id}${stackSelectionOptions(args)}`,
        usage: true,
      })
  }
  return readDeployment(directory, id)
}

function noLog(
  { id: padded, hosts, outcome }: Deployment,
  { secondArgument: name = '', ...args }: Arguments,
): ConvergeError {
  const id = Number(padded)
  const host = hosts.find((one) => one.host === name)
  const names = hosts.map((one) => one.host)
  if (outcome === 'not readable')
    return new ConvergeError(`there is no log of ${name} in deployment ${id}, and its record cannot be read`, {
      code: 'NO_LOG',
      hint: 'check the spelling of the host: the logs of the hosts are beside the record, as HOST.jsonl',
    })
  if (host === undefined)
    return new ConvergeError(`deployment ${id} has no host ${name}`, {
      code: 'NO_SUCH_HOST',
      hint: nearest(name, names) ?? `its hosts: ${describeNames(names) || 'none'}`,
      usage: true,
    })
  const why = validFailure(host.failure)?.message ?? host.reason
  return new ConvergeError(`deployment ${id} has no log of ${name}: ${host.outcome}`, {
    code: 'NO_LOG',
    hint: why ?? `converge stack log ${id}${stackSelectionOptions(args)} shows the outcome of the others`,
  })
}

/**
 * Finds the records of a stack. If its file is broken, they are still needed: they are found without the file if it has
 * only one stack beside it.
 */
async function directoryOf<N>(call: StackCommand<N>): Promise<string> {
  try {
    return stateDirectoryOf((await stackInputs(call)).stack)
  } catch (thrown) {
    const { stack, environment } = call.args
    const top = resolve(stack === undefined ? '.' : dirname(stack), '.converge')
    const names = readRecords(top, () => namesIn(top)).filter(
      (name) => environment === undefined || name.endsWith(`-${environment}`),
    )
    const [only, ...others] = names
    if (only === undefined || others.length > 0) throw thrown
    const message = call.secrets.mask(asConvergeError(thrown).message)
    printError(`warning: the stack cannot be read (${message}); these are the records in ${top}/${only}\n`)
    return `${top}/${only}`
  }
}

function paintOf(args: Arguments) {
  const color = args.color ?? useColor(process.stdout)
  return { color, paint: picocolors.createColors(color) }
}

function printText(text: string, args: Arguments): ExitStatus {
  print(text, paintOf(args).color)
  return 0
}

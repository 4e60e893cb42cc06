/** Runs `converge backup list` and `converge backup verify`; the other actions are events of the roles. */
import { openHost } from '../../host/open_host.ts'
import { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Secrets } from '../../model/secrets.ts'
import { oneLine } from '../../report/printable.ts'
import type { BackupControl, Catalogue, ListedBackup } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { loadInputs } from '../inputs/run_inputs.ts'
import { print, printJson } from '../print.ts'
import { usage } from '../usage.ts'
import { runCommand } from './run.ts'

const backupActions = ['now', 'list', 'verify', 'restore'] as const
type BackupAction = (typeof backupActions)[number]

export async function backup<N>(
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  endProcess: () => void,
): Promise<ExitStatus> {
  const action = actionOf(args)
  if (action === 'now' || action === 'restore') {
    const request = { ...args, to: args.secondArgument }
    return runCommand(request, [`backup_${action}`], args.dryRun === true, catalogue, secrets, endProcess)
  }
  const inputs = await loadInputs(args, catalogue, secrets)
  const host = await openHost(inputs.stateDirectory)
  const roles = inputs.roles.map(({ name }) => name)
  const controls = await catalogue.backups(inputs.buildRecipeNode([]), host, roles)
  const [control] = controls
  if (control === undefined)
    throw new ConvergeError(`no role of ${roles.join(', ')} has backups`, {
      code: 'NO_BACKUP',
      hint: 'name the role of the database: --role zeo-server, or --role relstorage-pack',
      usage: true,
    })
  if (action === 'list') return list(control, args)
  const result = await control.verify(args.secondArgument)
  if (args.jsonOutput) printJson({ app: control.app, ...result }, 2)
  else if (!args.quiet)
    print(
      `${control.app}: the backup ${result.id} opens: ${result.objects} objects, ${result.blobs} blobs, ${megabytes(result.bytes)}\n`,
    )
  return 0
}

function actionOf({ argument = '', secondArgument, full }: Arguments): BackupAction {
  const action = backupActions.find((one) => one === argument)
  if (action === undefined)
    throw usage(
      `unknown action "${argument}" of backup`,
      nearest(argument, backupActions) ?? `there are: ${backupActions.join(', ')}`,
    )
  if (secondArgument !== undefined && (action === 'now' || action === 'list'))
    throw usage(`backup ${action} takes no further argument: ${secondArgument}`, `converge backup ${action}`)
  if (full && action !== 'now') throw usage(`--full has no effect on backup ${action}`, 'converge backup now --full')
  return action
}

async function list(control: BackupControl, { jsonOutput }: Arguments): Promise<ExitStatus> {
  const backups = await control.list()
  if (jsonOutput) printJson({ app: control.app, backups }, 2)
  else if (backups.length === 0) print(`${control.app} has no backups\n`)
  else print(`${[control.app, ...backups.map(backupLine)].join('\n')}\n`)
  return 0
}

function backupLine({ id, full, bytes, blobs }: ListedBackup): string {
  const size = megabytes(bytes).padStart(9)
  return `  ${oneLine(id)}  ${full ? 'full       ' : 'incremental'}  ${size}  ${blobs === null ? 'no blobs' : oneLine(blobs)}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

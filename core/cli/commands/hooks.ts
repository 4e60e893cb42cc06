/** Runs `converge hooks install|remove|show`: the hooks by which the scheduler of this host runs the lifecycle events of its roles. */
import * as fs from 'node:fs'
import { resolve } from 'node:path'
import { openHost } from '../../host/open_host.ts'
import { configNames } from '../../load/recipes.ts'
import { failureReason } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import { oneLine } from '../../report/printable.ts'
import type { Catalogue, HookOptions } from '../catalogue.ts'
import { unitSeconds } from '../command_line/option_values.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { stateDirectory } from '../inputs/read_inputs.ts'
import { loadInputs } from '../inputs/run_inputs.ts'
import { print, printJson } from '../print.ts'
import { usage } from '../usage.ts'
import { runCommand } from './run.ts'

/** The input that all parts of the command share. */
interface HooksCall<N> {
  readonly args: Arguments
  readonly catalogue: Catalogue<N>
  readonly secrets: Secrets
  readonly endProcess: () => void
}

/** @param action the action: install, remove or show */
export async function hooksCommand<N>(action: string, call: HooksCall<N>): Promise<ExitStatus> {
  const { args, catalogue, secrets, endProcess } = call
  const options = optionsOf(args)
  const hooks = await catalogue.hooks(options)
  if (action === 'show') return show(call, options)
  // Refuse to install hooks whose runs would fail: check the roles and attributes as a run does.
  if (action === 'install') {
    checkProgramAndWords(args, options)
    await loadInputs(args, catalogue, secrets)
  }
  const isDryRun = args.dryRun === true
  return runCommand(args, [`hooks_${action}`], isDryRun, catalogue, secrets, endProcess, hooks.role)
}

async function show<N>({ args, catalogue, secrets }: HooksCall<N>, options: HookOptions): Promise<ExitStatus> {
  const inputs = await loadInputs(args, catalogue, secrets, { needsRole: false })
  const host = await openHost(inputs.stateDirectory)
  const { show: showHooks } = await catalogue.hooks(options)
  const views = await showHooks(inputs.buildRecipeNode([]), host)
  const text = views.map(
    ({ name, installed, detail }) =>
      `${installed ? 'installed' : 'absent   '}  ${name}${installed ? `  ${oneLine(detail)}` : ''}\n`,
  )
  if (args.jsonOutput) printJson({ hooks: views }, 2)
  else print(text.join(''))
  return views.every(({ installed }) => installed) ? 0 : 1
}

function optionsOf(args: Arguments): HookOptions {
  const interval = scheduleSeconds('interval', args.interval ?? '30m', 1)
  const program = args.program === undefined ? [process.execPath, process.argv[1] ?? ''] : [resolve(args.program)]
  const words = args.bare ? [] : inputWords(args)
  const wait = (seconds: number) => ['--wait', `${seconds}`]
  return {
    commands: {
      setup: [...program, 'apply', '--quiet', ...wait(600), ...words],
      configure: [...program, 'configure', '--quiet', ...wait(600), ...words],
      shutdown: [...program, 'shutdown', '--quiet', ...wait(60), ...words],
    },
    interval,
    jitter:
      args.jitter === undefined ? Math.min(600, Math.floor(interval / 3)) : scheduleSeconds('jitter', args.jitter, 0),
    stamp: `${stateDirectory(args)}/first-boot-done`,
    prefixed: args.prefix !== undefined,
  }
}

/** Refuses a program that does not exist, or a name that a unit or a job cannot contain: each call would fail. */
function checkProgramAndWords({ program, bare }: Arguments, { commands, stamp }: HookOptions): void {
  // A program with roles of its own may be installed later.
  if (program !== undefined && !bare) checkProgram(resolve(program))
  const invalid = [...commands.configure, stamp].find((word) => /\p{Cc}/u.test(word))
  if (invalid !== undefined)
    throw usage(
      `hooks cannot contain ${JSON.stringify(invalid)}`,
      'remove line ends and other control characters from the name: units and crontabs cannot hold them',
    )
}

function checkProgram(path: string): void {
  try {
    fs.accessSync(path, fs.constants.X_OK)
    if (fs.statSync(path).isFile()) return
  } catch (error) {
    throw usage(
      `--program ${path}: ${failureReason(error, path)}`,
      'name a program that exists, or leave --program out to use this one',
    )
  }
  throw usage(`--program ${path}: is not a file`, 'name a program that exists, or leave --program out to use this one')
}

/** Returns the options for the scheduled runs, with absolute paths: their working directory differs. */
function inputWords(args: Arguments): string[] {
  if (args.nodeJson?.includes('-') || args.json?.includes('-'))
    throw usage('nobody is at standard input when the scheduler calls', 'give files, such as /etc/converge/site.json')
  const found = configNames.map((name) => resolve(name)).find((path) => fs.existsSync(path))
  const config = args.config ?? found
  const paths: readonly (readonly [string, readonly string[]])[] = [
    ['--json', args.json ?? []],
    ['--node-json', args.nodeJson ?? []],
    ['--config-dir', optional(args.configDir)],
    ['--secrets', optional(args.secrets)],
    ['--prefix', optional(args.prefix)],
    ['--recipes', args.recipes ?? []],
    ['--config', optional(config)],
    ['--state-dir', optional(args.stateDir)],
  ]
  return [
    ...(args.role === undefined ? [] : ['--role', args.role.join(',')]),
    ...paths.flatMap(([option, values]) => values.flatMap((value) => [option, resolve(value)])),
  ]
}

function optional(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value]
}

/** Maximum of an interval, a year: systemd ignores intervals that are too large for it. */
const maxDays = 366

/**
 * Converts `90s`, `5m` or `1h` to seconds.
 * @throws USAGE
 */
export function scheduleSeconds(option: string, text: string, min: number): number {
  const [, number, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? []
  const seconds = Number(number) * (unitSeconds[unit] ?? 0)
  if (number === undefined || seconds < min)
    throw usage(`--${option} takes a time such as 90s, 5m or 1h, and not ${text}`, `--${option} 5m`)
  if (seconds > maxDays * (unitSeconds.d ?? 0))
    throw usage(`--${option} takes a year at most, and not ${text}`, `--${option} 1d`)
  return seconds
}

/** Renders a program's configuration file, with values quoted so that supervisord reads them back unchanged. */
import type { Duration } from '../../core/model/units.ts'
import { commandIn } from '../../core/text/shell.ts'
import { supervisorValue, supervisorVariable } from '../../core/text/supervisor.ts'

interface Program {
  readonly name: string
  readonly app?: string | undefined
  readonly command?: string | undefined
  readonly directory?: string | undefined
  readonly user?: string | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly autostart: boolean
  readonly autorestart: boolean | 'unexpected'
  readonly startSeconds: number
  readonly startRetries: number
  readonly stopSignal: string
  readonly stopWait: Duration
  readonly stopAsGroup: boolean
  readonly logDir?: string | undefined
  readonly logMaxBytes: number
  readonly logBackups: number
  readonly type: 'program' | 'eventlistener'
  readonly events: readonly string[]
}

/** The first line of a file of converge, with the app of its program. */
export const headerPattern = /^; Written by converge(?: for ([\w.-]+))?;/

/** Returns the first line of a file of converge. */
export function headerLine(app: string | undefined): string {
  return `; Written by converge${app === undefined ? '' : ` for ${app}`}; what is changed here by hand is lost.`
}

export function renderProgram(program: Program): string {
  const isListener = program.type === 'eventlistener'
  const environment = Object.keys(program.environment)
    .sort()
    .map((name) => `${name}=${supervisorVariable(program.environment[name] ?? '')}`)
  const options: [name: string, value: string | number | boolean | undefined][] = [
    ['command', supervisorValue(resolveCommand(program))],
    ['directory', program.directory && supervisorValue(program.directory)],
    ['user', program.user],
    ['events', isListener ? program.events.join(',') : undefined],
    ['environment', environment.length > 0 ? supervisorValue(environment.join(',')) : undefined],
    ['autostart', program.autostart],
    ['autorestart', program.autorestart],
    ['startsecs', program.startSeconds],
    ['startretries', program.startRetries],
    ['stopsignal', program.stopSignal],
    ['stopwaitsecs', Math.ceil(program.stopWait.ms / 1000)],
    ['stopasgroup', program.stopAsGroup],
    ...logOptions(program, isListener ? 'stderr' : 'stdout'),
    // A listener talks to supervisor over stdout: that is no log.
    isListener ? ['stdout_logfile', 'NONE'] : ['redirect_stderr', true],
  ]
  const lines = options.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${value}`)
  return `${headerLine(program.app)}\n[${program.type}:${program.name}]\n${lines.join('\n')}\n`
}

/** Resolves the program of a command: supervisord looks for it in its own directory, not in that of the program. */
function resolveCommand({ command = '', directory }: Program): string {
  return directory === undefined ? command : commandIn(directory, command)
}

function logOptions({ name, logDir, logMaxBytes, logBackups }: Program, stream: string): [string, string | number][] {
  return [
    ...(logDir === undefined
      ? []
      : [[`${stream}_logfile`, supervisorValue(`${logDir}/${name}.log`)] as [string, string]]),
    [`${stream}_logfile_maxbytes`, logMaxBytes],
    [`${stream}_logfile_backups`, logBackups],
  ]
}

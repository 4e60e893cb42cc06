/** The text of a program's configuration file, quoted so that supervisord reads back what was meant. */
import type { Duration } from '../../core/model/units.ts'

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

/**
 * What supervisor's syntax cannot say: it takes every quote off both ends of a value, and knows no escape for the one
 * that surrounds it.
 */
export const expressible: [(value: string) => boolean, { error: string }] = [
  (value) => !/^['"]|['"]$/.test(value) && !(value.includes("'") && value.includes('"')),
  {
    error:
      'a value that supervisor can hold: no quote at either end, and not both kinds of quotes within; put such a value into a file that the program reads',
  },
]

/** The first line of a file of ours, with the app that its program was written for. */
export const headerPattern = /^; Written by converge(?: for ([\w.-]+))?;/

function header(app: string | undefined): string {
  return `; Written by converge${app === undefined ? '' : ` for ${app}`}; what is changed here by hand is lost.`
}

export function renderProgram(program: Program): string {
  const listener = program.type === 'eventlistener'
  const environment = Object.keys(program.environment)
    .sort()
    .map((name) => `${name}=${quote(program.environment[name] ?? '')}`)
  const options: [name: string, value: string | number | boolean | undefined][] = [
    ['command', literal(program.command ?? '')],
    ['directory', program.directory && literal(program.directory)],
    ['user', program.user],
    ['events', listener ? program.events.join(',') : undefined],
    ['environment', environment.length > 0 ? literal(environment.join(',')) : undefined],
    ['autostart', program.autostart],
    ['autorestart', program.autorestart],
    ['startsecs', program.startSeconds],
    ['startretries', program.startRetries],
    ['stopsignal', program.stopSignal],
    ['stopwaitsecs', Math.ceil(program.stopWait.ms / 1000)],
    ['stopasgroup', program.stopAsGroup],
    ...logOptions(program, listener ? 'stderr' : 'stdout'),
    // What a listener writes to stdout is its talk with supervisor, nothing to keep.
    listener ? ['stdout_logfile', 'NONE'] : ['redirect_stderr', true],
  ]
  const lines = options.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${value}`)
  return `${header(program.app)}\n[${program.type}:${program.name}]\n${lines.join('\n')}\n`
}

function logOptions({ name, logDir, logMaxBytes, logBackups }: Program, stream: string): [string, string | number][] {
  return [
    ...(logDir === undefined ? [] : [[`${stream}_logfile`, literal(`${logDir}/${name}.log`)] as [string, string]]),
    [`${stream}_logfile_maxbytes`, logMaxBytes],
    [`${stream}_logfile_backups`, logBackups],
  ]
}

function quote(value: string): string {
  return value.includes('"') ? `'${value}'` : `"${value}"`
}

/**
 * Keeps `%` from being expanded, and `;` or `#` after a blank from beginning a comment, even within quotes: an expansion
 * to nothing is put before them. One within `%(here)s`, too, which is replaced before anything is looked at.
 */
function literal(text: string): string {
  return text
    .replaceAll('%', '%%')
    .replaceAll('%(here)s', `%${nothing}(here)s`)
    .replace(/(^|\s)(?=[;#])/g, `$1${nothing}`)
}

const nothing = '%(here).0s'

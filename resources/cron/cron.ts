/** Manages one cron job: a file in /etc/cron.d, or for an ordinary user a marked block of the crontab. */

import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { inTheWay } from '../../core/model/file_errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { cronCommand, cronVariable } from '../../core/text/cron.ts'
import { shellQuoted, shellWord } from '../../core/text/shell.ts'
import { refusalOf, type Writer } from '../../core/text/writer.ts'
import { accountName } from '../accounts/account_files.ts'
import { applyFileState, readFileState } from '../files/file.ts'
import { reachOfAccount } from '../reach.ts'
import { checkSchedule } from './cron_schedule.ts'
import { begin, end, parseCrontab } from './crontab.ts'
import { cronParts } from './usercrontab.ts'

const oneLine = (name: string) => z.string().regex(/^[^\n\r\0]*$/, { error: `${name} on one line` })

const props = requiredUnlessAbsent(
  z.strictObject({
    name: oneLine('a name')
      .regex(/^\S.*\S$|^\S$/, { error: 'a name without spaces around it' })
      .describe('Name of the job, and of its file in /etc/cron.d'),
    user: accountName.optional().describe('Account it runs as; default: the account of the run'),
    schedule: z
      .string()
      .superRefine((schedule, issues) => {
        const problem = checkSchedule(schedule)
        if (problem !== null) issues.addIssue({ code: 'custom', message: problem })
      })
      .optional()
      .describe('Five fields as in crontab(5), or `@daily` and the like; required unless absent'),
    command: oneLine('a command')
      .min(1)
      .optional()
      .describe('Command for /bin/sh; percent signs are escaped for cron; required unless absent'),
    part: z
      .strictObject({
        name: z.string().min(1).describe('Name of the part'),
        release: absolutePath.describe('Directory of the release'),
        current: absolutePath.describe('Link to the current release; commands of the part start there'),
        log: absolutePath.optional().describe('File that the output of the job is appended to; default: cron mails it'),
        runner: z
          .string()
          .min(1)
          .optional()
          .describe('Shell command that gets the command of the part as its last argument; default: cron runs it'),
      })
      .optional()
      .describe(
        'Part of a built release whose schedule and command are taken instead where its recipe is z3c.recipe.usercrontab',
      ),
    environment: z
      .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'the name of a variable' }), oneLine('a value'))
      .optional()
      .describe('Variables of the command; MAILTO, SHELL and others that cron reads itself only for root'),
    absent: z.boolean().optional().describe('Keep the job away instead; default false'),
  }),
  'schedule',
  'command',
)
type Props = z.output<typeof props>

const state = z.strictObject({
  /** `crontab`, or the path of the file. */
  place: z.string(),
  kind: z.enum(['absent', 'file', 'block', 'directory', 'link', 'other']),
  content: z.string().nullable(),
  mode: z.string().nullable(),
  owner: z.string().nullable(),
  /** The job that `part` declares; null if it schedules nothing. */
  stated: z.strictObject({ enabled: z.boolean(), schedule: z.string(), command: z.string() }).nullable().optional(),
})
type State = z.output<typeof state>

const nothing = { kind: 'absent', content: null, mode: null, owner: null } as const
const rootsOwn = { mode: '0644', owner: 'root' }

export const cron = defineResource(
  {
    type: 'cron',
    doc: 'Keeps a job of cron: for root in /etc/cron.d, else in the crontab of the account, whose other lines stay as they are.',
    mirrors: "Chef's cron resource; crontab(5)",
    examples: [
      { name: 'zeopack site', user: 'deploy', schedule: '0 1 * * 7', command: '/srv/www/site/current/bin/zeopack' },
      {
        name: 'tidy',
        schedule: '@daily',
        command: 'find /var/tmp/site -mtime +7 -delete',
        environment: { MAILTO: '' },
      },
    ],
    reach: reachOfAccount,
    key: (props) => props.name,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props): Promise<State> {
      requireCron(host, props)
      const found = host.isRoot ? readFile(host, cronFilePath(props.name)) : await readBlock(host, props.name)
      return props.part === undefined ? found : { ...found, stated: declaredByRelease(host, props.part) }
    },
    desired(props, { stated, ...now }): State {
      const target = desiredState(props, stated ?? null, now)
      return stated === undefined ? target : { ...target, stated }
    },
    async apply(host, props, change) {
      if (host.isRoot) return applyFile(host, change)
      const { rest } = parseCrontab(await readCrontab(host), props.name)
      const gap = rest === '' || rest.endsWith('\n') ? '' : '\n'
      await host.run(['crontab', '-'], { input: `${rest}${gap}${change.desired.content ?? ''}` })
    },
    predict(host, _, change) {
      if (host.isRoot) applyFile(host, change)
    },
  },
)

function desiredState(props: Props, stated: NonNullable<State['stated']> | null, { place, kind }: State): State {
  if (kind === 'directory') throw inTheWay(`${place} is a directory, but a cron job was declared`, place)
  if (props.absent || stated?.enabled === false) return { place, ...nothing }
  const job = stated === null ? props : { ...props, schedule: stated.schedule, command: stated.command }
  if (place === 'crontab') return { place, kind: 'block', content: blockText(job), mode: null, owner: null }
  return { place, kind: 'file', content: fileText(job), ...rootsOwn }
}

/** Returns the job that a part of the buildout declares; null also if cron would reject its schedule. */
function declaredByRelease(
  host: HostReader,
  { name, log, runner, ...paths }: NonNullable<Props['part']>,
): State['stated'] {
  const part = cronParts(host, paths).find((job) => job.name === name)
  if (part === undefined || checkSchedule(part.times) !== null) return null
  const { times: schedule, enabled } = part
  // Undo the escapes of crontab(5).
  const partCommand = part.command.replace(/\\([\\%])/g, '$1')
  const command = runner === undefined ? partCommand : `${runner} ${shellWord(partCommand)}`
  // A command that redirects its output is left as it is, unless the runner prints something as well.
  const isLogged = log === undefined || (runner === undefined && /[|>&;]/.test(partCommand))
  return { enabled, schedule, command: isLogged ? command : `${command} >> ${shellWord(log)} 2>&1` }
}

function requireCron(host: HostReader, { user }: Props): void {
  if (!host.isRoot && user !== undefined && user !== host.self.name)
    throw new ConvergeError(`only root can manage a cron job of ${user}`, {
      code: 'NEEDS_ROOT',
      hint: `run converge as root, or as ${user}`,
    })
  if (host.which('crontab') === null)
    throw new ConvergeError('there is no cron on this host: the program crontab is missing', {
      code: 'NO_CRON',
      hint: "declare it before this: packages(r, { names: ['cron'] })",
    })
}

/** Returns the path of a job's file. cron ignores files whose names contain anything but letters, digits, - and _. */
function cronFilePath(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]+/g, '-')
  // Two names must not lead to one file.
  return `/etc/cron.d/${plain === name ? name : `${plain}-${digestOf(name).slice(0, 6)}`}`
}

function readFile(host: HostReader, place: string): State {
  const { kind, content, mode, owner } = readFileState(host, { path: place, ...rootsOwn })
  return { place, kind, content, mode, owner }
}

function applyFile(host: Host, { now, desired }: { now: State; desired: State }): void {
  const { place, content } = desired
  if (content === null) host.remove(place)
  else applyFileState(host, { path: place, ...rootsOwn }, content, { ...now, kind: fileKind(now), group: null })
}

function fileKind({ kind }: State): 'absent' | 'file' | 'link' | 'other' {
  return kind === 'block' || kind === 'directory' ? 'other' : kind
}

/** The variables that crontab(5) interprets; the command can set all others itself. */
const cronsOwn = ['MAILTO', 'MAILFROM', 'SHELL', 'CRON_TZ', 'CONTENT_TYPE', 'CONTENT_TRANSFER_ENCODING']

function fileText({ name, user = 'root', schedule = '', command = '', environment = {} }: Props): string {
  const variables = sortedEntries(environment).map(
    ([variable, value]) =>
      `${variable}=${escapeValue(variable, value, cronVariable, 'set the variable in the command, or in a script that the command runs')}\n`,
  )
  return `# ${name}: kept by converge\n${variables.join('')}${schedule} ${user} ${checkedCommand(command)}\n`
}

function blockText({ name, schedule = '', command = '', environment = {} }: Props): string {
  const exports = sortedEntries(environment).map(([variable, value]) => {
    if (cronsOwn.includes(variable))
      throw new ConvergeError(`${variable} would hold for all jobs of the crontab, not only for ${name}`, {
        code: 'NOT_FOR_ONE_JOB',
        hint: `set ${variable} at the head of the crontab yourself (crontab -e), or run converge as root`,
      })
    return `export ${variable}='${shellQuoted(value)}'; `
  })
  return `${begin(name)}\n${schedule} ${checkedCommand(exports.join('') + command)}\n${end(name)}\n`
}

function sortedEntries(map: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * Checks a text of the job.
 * @throws INVALID_PROP for text that cron cannot represent
 */
function escapeValue(name: string, text: string, writes: Writer, hint: string): string {
  const refusal = refusalOf(writes, text)
  if (refusal === null) return writes(text)
  throw new ConvergeError(`${name}: ${refusal.message}`, { code: 'INVALID_PROP', hint })
}

const checkedCommand = (command: string) =>
  escapeValue('the command', command, cronCommand, 'write it to a script, and declare the script as the command')

async function readBlock(host: HostReader, name: string): Promise<State> {
  const place = 'crontab'
  const { blocks } = parseCrontab(await readCrontab(host), name)
  return blocks === null ? { place, ...nothing } : { ...nothing, place, kind: 'block', content: blocks }
}

async function readCrontab(host: HostReader): Promise<string> {
  // If there is no crontab yet, the command exits with 1 and a message.
  const { status, stdout, stderr } = await host.query(['crontab', '-l'], { accept: [0, 1] })
  if (status === 0) return stdout
  if (/no crontab for/i.test(stderr)) return ''
  throw new ConvergeError(`the crontab of ${host.self.name} cannot be read`, {
    code: 'COMMAND_FAILED',
    output: stderr,
    hint: `as root, add ${host.self.name} to /etc/cron.allow`,
  })
}

/** One program's configuration file for supervisord; whether it runs is the concern of service_restart. */
import * as z from 'zod'
import type { Host } from '../core/host/types.ts'
import { ConvergeError } from '../core/model/errors.ts'
import { under } from '../core/model/reference.ts'
import { defineResource } from '../core/model/resource.ts'
import { absolutePath, duration, fileMode, seconds } from '../core/model/units.ts'
import { applyFileState, type FileState, fileState, readFileState, wantedFileState } from './file.ts'
import { Supervisor, systemSocket } from './supervisor/client.ts'
import { forget } from './supervisor/forget.ts'
import { expressible, renderProgram, writtenByConverge } from './supervisor/program_file.ts'

const line = z.string().regex(/^[^\0-\x1f\x7f]*$/, { error: 'one line of text' })

const props = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\w.-]+$/, { error: 'letters, digits, dots, dashes and underscores' })
      .describe('Name of the program, and of its file'),
    app: z
      .string()
      .regex(/^[\w.-]+$/, { error: 'letters, digits, dots, dashes and underscores' })
      .optional()
      .describe('App that the program belongs to, for supervisor_cleanup; written at the top of the file'),
    command: line
      .regex(/\S/)
      .optional()
      .describe('What to run, quoted as for a shell, but not run by one; taken literally; needed unless absent'),
    directory: absolutePath.and(line).optional().describe("Where it is started; default: supervisord's own directory"),
    user: line
      .regex(/^[\w.-]+\$?$/)
      .optional()
      .describe('Account it runs as; only for a supervisord of root; default: that of supervisord'),
    environment: z
      .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'a name of a variable' }), line.refine(...expressible))
      .default({})
      .describe("Variables beside supervisord's own; HOME and USER are not set by supervisor"),
    autostart: z.boolean().default(true).describe('Start it with supervisord; default true'),
    autorestart: z
      .union([z.boolean(), z.literal('unexpected')])
      .default(true)
      .describe("Start it again when it ends: true (default), false, or 'unexpected' for another status than 0"),
    startSeconds: z.int().min(0).default(1).describe('Seconds it has to stay up to count as started; default 1'),
    startRetries: z
      .int()
      .min(0)
      .default(3)
      .describe('How often a start is tried again before it is given up; default 3'),
    stopSignal: z
      .enum(['TERM', 'HUP', 'INT', 'QUIT', 'KILL', 'USR1', 'USR2'])
      .default('TERM')
      .describe('Signal that stops it; default TERM'),
    stopWait: duration
      .default(() => seconds(10))
      .describe('How long it may take to stop before it is killed, in whole seconds; default 10 s'),
    stopAsGroup: z.boolean().default(false).describe('Signal its children too; default false'),
    logDir: absolutePath
      .and(line)
      .optional()
      .describe(
        "Directory of `<name>.log`, where its output goes; has to be there; default: supervisord's childlogdir",
      ),
    logMaxBytes: z
      .int()
      .min(0)
      .default(10_485_760)
      .describe('Size in bytes at which the log is rotated; default 10 MB'),
    logBackups: z.int().min(0).default(5).describe('How many rotated logs are kept; default 5'),
    type: z.enum(['program', 'eventlistener']).default('program').describe('What it is to supervisor; default program'),
    events: z
      .array(z.string().regex(/^[A-Z][A-Z0-9_]*$/, { error: "the name of an event, such as 'TICK_60'" }))
      .default([])
      .describe('Events a listener is told of'),
    confDir: absolutePath
      .default('/etc/supervisor/conf.d')
      .describe('Directory of the file; has to be named by [include] of supervisord; default /etc/supervisor/conf.d'),
    socket: absolutePath.default(systemSocket).describe("supervisord's unix socket; default /var/run/supervisor.sock"),
    mode: fileMode
      .default('0600')
      .describe('Permissions of the file; default 0600, since the environment may hold secrets'),
    owner: z.string().min(1).optional().describe('Account that owns the file; default: left as found'),
    group: z.string().min(1).optional().describe('Group that owns the file; default: left as found'),
    absent: z.boolean().default(false).describe('Stop the program, and keep the file away; default false'),
  })
  .refine((props) => props.absent || props.command !== undefined, {
    error: 'command is needed unless absent is true',
    path: ['command'],
  })
  .refine((props) => (props.type === 'eventlistener') === props.events.length > 0 || props.absent, {
    error: 'an eventlistener needs events, and nothing else takes them',
    path: ['events'],
  })
type Props = z.output<typeof props>

function target(given: Props) {
  const { confDir, name, mode, owner, group } = given
  return { path: `${confDir}/${name}.conf`, mode, owner, group }
}

function keep(host: Host, given: Props, now: FileState): void {
  if (given.absent) host.remove(target(given).path)
  else applyFileState(host, target(given), renderProgram(given), now)
}

function refuseForeign(path: string, { kind, content }: FileState): void {
  if (kind !== 'file' || content === '' || writtenByConverge(content)) return
  throw new ConvergeError(`${path} is there, and was not written by converge`, {
    code: 'IN_THE_WAY',
    hint: `give the program another name, or move the file away: mv ${path} ${path}.old`,
  })
}

export const supervisor_program = defineResource(
  {
    type: 'supervisor_program',
    doc: 'Keeps the configuration file of one program for supervisord. Restarts nothing: list it in `when` of a service_restart.',
    mirrors: 'supervisord.conf(5): [program:x] and [eventlistener:x]',
    examples: [
      {
        name: 'site-client1',
        command: '/srv/www/site/current/bin/client1 console',
        directory: '/srv/www/site/current',
        user: 'deploy',
        environment: { HOME: '/home/deploy', TZ: 'UTC' },
        stopWait: seconds(60),
        logDir: '/var/log/supervisor',
      },
      {
        name: 'site-memmon',
        type: 'eventlistener' as const,
        events: ['TICK_60'],
        command: '/srv/www/site/current/bin/memmon',
      },
      { name: 'site-client9', absent: true },
    ],
    key: ({ name }) => name,
    props,
    state: fileState,
  },
  {
    read: (host, given): FileState => readFileState(host, target(given)),
    desired(given, now): FileState {
      refuseForeign(target(given).path, now)
      const wanted = wantedFileState(target(given), given.absent ? '' : renderProgram(given), now)
      return given.absent ? { kind: 'absent', content: null, mode: null, owner: null, group: null } : wanted
    },
    async apply(host, given, { now }) {
      // The file last: as long as it is there, the next run knows that there is something to do.
      if (given.absent) await forget(host, new Supervisor(host, given.socket), given.name)
      keep(host, given, now)
    },
    predict: (host, given, { now }) => keep(host, given, now),
    paths: ({ confDir, name }) => [under(confDir, `${name}.conf`)],
    files: (given) => (given.absent ? [] : [{ ...target(given), content: renderProgram(given) }]),
  },
)

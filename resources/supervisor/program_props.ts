/** Defines the properties of every resource that writes a program's configuration file. */
import * as z from 'zod'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { refusalOf } from '../../core/text/writer.ts'
import { systemSocket } from './client.ts'

export const line = z.string().regex(/^[^\0-\x08\x0a-\x1f\x7f]*$/, { error: 'one line of text' })

export const programName = z.string().regex(/^[\w.-]+$/, { error: 'letters, digits, dots, dashes and underscores' })

export const programEnvironment = z.record(
  z.string().regex(/^[A-Za-z_]\w*$/, { error: 'a name of a variable' }),
  z.string().superRefine((value, issues) => {
    const refusal = refusalOf(supervisorVariable, value)
    if (refusal !== null) issues.addIssue({ code: 'custom', message: `a value without ${refusal.reason}` })
  }),
)

/** The properties that all kinds of programs share. */
export const programProps = {
  app: programName
    .optional()
    .describe('App that the program belongs to, for supervisor_cleanup; written at the top of the file'),
  directory: absolutePath.and(line).optional().describe('Working directory; default: that of supervisord'),
  user: line
    .regex(/^[\w.-]+\$?$/)
    .optional()
    .describe('Account it runs as; only for a supervisord of root; default: that of supervisord'),
  startSeconds: z.int().min(0).default(1).describe('Seconds that it must stay up to count as started; default 1'),
  startRetries: z.int().min(0).default(3).describe('Number of further attempts to start it; default 3'),
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
    .describe("Directory of `<name>.log`, the log of its output; it must exist; default: supervisord's childlogdir"),
  logMaxBytes: z.int().min(0).default(10_485_760).describe('Size in bytes at which the log is rotated; default 10 MB'),
  logBackups: z.int().min(0).default(5).describe('How many rotated logs are kept; default 5'),
  confDir: absolutePath
    .default('/etc/supervisor/conf.d')
    .describe('Directory of the file; [include] of supervisord must name it; default /etc/supervisor/conf.d'),
  socket: absolutePath.default(systemSocket).describe("supervisord's unix socket; default /var/run/supervisor.sock"),
}

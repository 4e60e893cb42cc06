/** Runs one command: when its result is missing, when something it depends on has changed, or every time. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { noAccount, onlyRoot } from '../../core/model/account_errors.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, systemText } from '../../core/model/units.ts'
import { reachOfAccount } from '../reach.ts'
import { commandProp } from './app_command.ts'

const props = z.strictObject({
  command: commandProp.describe('Program and arguments as a list, run as they are; or one string for /bin/sh -c'),
  name: z.string().min(1).optional().describe('Its name in reports and records; default: the command'),
  creates: absolutePath.optional().describe('A path that the command creates: if it exists, the command does not run'),
  cwd: absolutePath.optional().describe('Directory it runs in; default: /'),
  user: z.string().min(1).optional().describe('Account it runs as; default: the account of the run'),
  group: z.string().min(1).optional().describe('Group it runs as; default: the primary group of `user`'),
  environment: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'the name of a variable' }), systemText)
    .optional()
    .describe('Variables added to the bare environment (PATH, HOME, USER, LANG)'),
  accept: z
    .array(z.int().min(0).max(255))
    .min(1)
    .optional()
    .describe('Exit statuses that count as success; default: 0'),
  timeout: duration.optional().describe('How long it may take before it is ended; default: 10 minutes'),
  contained: z
    .boolean()
    .optional()
    .describe('Whether it changes nothing outside the prefix, so that root may run it with --prefix; default false'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Whether the result exists; null without `creates`. */
  creates: z.enum(['absent', 'present']).nullable(),
  /** Digest of the causes of its last success; null without `when`. */
  cause: z.string().nullable(),
  /**
   * How often the command was started on this host: another resource detects from it that the command has run again.
   */
  runs: z.number(),
})
type State = z.output<typeof state>

/**
 * Completed executions, by their context: without `creates` and `when`, nothing else records that the command has run.
 */
const executed = new WeakSet<Context>()

export const execute = defineResource(
  {
    type: 'execute',
    doc: 'Runs a command: where `creates` is missing, where what `when` lists has changed since its last success, or with neither of them in every run.',
    mirrors: "Chef's execute resource",
    examples: [
      { command: ['make', 'install'], cwd: '/usr/local/src/tool', creates: '/usr/local/bin/tool' },
      { command: 'nginx -t && nginx -s reload', name: 'reload nginx' },
    ],
    reach: (props) => (props.contained ? [] : reachOfAccount(props)),
    key: (props) => props.name ?? (typeof props.command === 'string' ? props.command : props.command.join(' ')),
    props,
    state,
    when: 'cause',
  },
  {
    check: ({ command }) => operatorsIn(command),
    read(host, { creates }, { name, cause }): State {
      return {
        creates: creates === undefined ? null : host.lstat(creates) ? 'present' : 'absent',
        cause: cause === null ? null : host.recorded(name),
        runs: Number(host.recorded(runsOf(name)) ?? 0),
      }
    },
    desired({ creates }, now, context): State {
      const always = creates === undefined && context.cause === null && !executed.has(context)
      const due = always || now.creates === 'absent' || now.cause !== context.cause
      if (!due) return now
      return { creates: creates === undefined ? null : 'present', cause: context.cause, runs: now.runs + 1 }
    },
    async apply(host, props, { desired }, context) {
      requireAccount(host, props)
      // Counted before the start: what the command did before it was killed is a change for other resources too.
      host.record(runsOf(context.name), `${desired.runs}`)
      const { command, cwd, user, group, environment, accept, timeout, creates } = props
      const argv = typeof command === 'string' ? ['/bin/sh', '-c', command] : command
      try {
        await host.run(argv, { cwd, user, group, environment, accept, timeout, onLine: context.progress })
      } catch (error) {
        // A further attempt belongs to the same run.
        host.record(runsOf(context.name), `${desired.runs - 1}`)
        throw error
      }
      if (creates !== undefined && host.lstat(creates) === null)
        throw new ConvergeError(`the command ended well, and yet ${creates} is not there`, {
          code: 'NOT_CREATED',
          hint: 'correct the path of creates, or the command',
        })
      if (context.cause !== null) host.record(context.name, context.cause)
      executed.add(context)
    },
    predict(host, props, { desired }, context) {
      requireAccount(host, props)
      host.record(runsOf(context.name), `${desired.runs}`)
      if (context.cause !== null) host.record(context.name, context.cause)
      if (props.creates !== undefined) host.unknown(props.creates, context.name)
      if (mayInstall(host, props)) host.mayInstall(context.name)
    },
    paths: (props) => (props.creates === undefined ? [] : [props.creates]),
  },
)

/** Words that only a shell reads. `;` ends the command of find. */
const operators = ['>', '>>', '<', '|', '||', '&&', '&', '2>', '2>&1']
/** Programs that compare with these words. */
const comparing = ['[', 'test', 'expr', 'dpkg', 'awk', 'jq', 'find']

/** Properties may still be references. */
function operatorsIn(command: unknown): string[] {
  if (!Array.isArray(command) || comparing.includes(String(command[0]).replace(/^.*\//, ''))) return []
  const operator = command.find((word) => operators.includes(word))
  if (operator === undefined) return []
  return [`the program gets "${operator}" as an argument; to use a shell, write the command as one string`]
}

function runsOf(name: string): string {
  return `${name} runs`
}

/** Decides whether the command may install programs: it runs as the account of the run, or as root. */
function mayInstall(host: HostReader, { user }: Props): boolean {
  return user === undefined || user === host.self.name || host.account(user)?.uid === 0
}

/** Checks the account, in a dry run as well as in a run. */
function requireAccount(host: HostReader, { user }: Props): void {
  if (user === undefined || user === host.self.name) return
  if (host.account(user) === null) throw noAccount(user)
  if (!host.isRoot) throw onlyRoot(user)
}

/** Writes one program's configuration file for supervisord; service_restart decides whether the program runs. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { under } from '../../core/model/reference.ts'
import { defineResource } from '../../core/model/resource.ts'
import { fileMode, seconds } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { applyFileState, desiredFileState, type FileState, fileState, readFileState } from '../files/file.ts'
import { Supervisor } from './client.ts'
import { refuseConflict } from './conflicting_definitions.ts'
import { recordRemoved, recordWritten, refuseForeignFile, writePlaceholder } from './managed_files.ts'
import { renderProgram } from './program_file.ts'
import { line, programEnvironment, programName, programProps } from './program_props.ts'
import { removeProgram } from './remove_program.ts'
import { isReadable } from './sections.ts'

const props = requiredUnlessAbsent(
  z.strictObject({
    name: programName.describe('Name of the program, and of its file'),
    command: line
      .regex(/\S/)
      .optional()
      .describe('Command, quoted as for a shell, but started without one and taken literally; required unless absent'),
    environment: programEnvironment
      .default({})
      .describe("Variables beside supervisord's own; HOME and USER are not set by supervisor"),
    autostart: z.boolean().default(true).describe('Start it with supervisord; default true'),
    autorestart: z
      .union([z.boolean(), z.literal('unexpected')])
      .default(true)
      .describe("Start it again when it ends: true (default), false, or 'unexpected' for another status than 0"),
    ...programProps,
    type: z
      .enum(['program', 'eventlistener'])
      .default('program')
      .describe('Its kind of section in the configuration; default program'),
    events: z
      .array(z.string().regex(/^[A-Z][A-Z0-9_]*$/, { error: "the name of an event, such as 'TICK_60'" }))
      .default([])
      .describe('Events that a listener receives'),
    mode: fileMode
      .default('0600')
      .describe('Permissions of the file; default 0600, since the environment may hold secrets'),
    owner: z.string().min(1).optional().describe('Account that owns the file; default: unchanged'),
    group: z.string().min(1).optional().describe('Group that owns the file; default: unchanged'),
    absent: z.boolean().default(false).describe('Stop the program and remove its file; default false'),
  }),
  'command',
).refine((props) => (props.type === 'eventlistener') === props.events.length > 0 || props.absent, {
  error: 'an eventlistener needs events, and nothing else takes them',
  path: ['events'],
})
type Props = z.output<typeof props>

function target(props: Props) {
  const { confDir, name, mode, owner, group } = props
  return { path: `${confDir}/${name}.conf`, mode, owner, group }
}

function read(host: HostReader, props: Props): FileState {
  const found = readFileState(host, target(props))
  refuseForeignFile(host, target(props).path, found.content, renderProgram(props))
  if (!props.absent) refuseConflict(host, props)
  return found
}

function keep(host: Host, props: Props, now: FileState): void {
  const { path } = target(props)
  if (props.absent) {
    recordRemoved(host, path)
    return host.remove(path)
  }
  recordWritten(host, path, props.app)
  applyFileState(host, target(props), renderProgram(props), now)
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
    reach: 'paths',
    key: ({ name }) => name,
    props,
    state: fileState,
  },
  {
    precheck(host, { name, confDir, absent }) {
      if (!absent) refuseConflict(host, { name, confDir })
    },
    isBroken(host, props) {
      const text = host.readText(target(props).path)
      return text !== null && !isReadable(text)
    },
    makeReadable(host, props) {
      writePlaceholder(host, { path: target(props).path, program: props.name, app: props.app })
    },
    read,
    desired(props, now): FileState {
      const declared = desiredFileState(target(props), props.absent ? '' : renderProgram(props), now)
      return props.absent ? { kind: 'absent', content: null, mode: null, owner: null, group: null } : declared
    },
    async apply(host, props, { now }) {
      // The file is removed last: while it exists, the next run knows that the removal is incomplete.
      if (props.absent) await removeProgram(host, new Supervisor(host, props.socket), props.name)
      keep(host, props, now)
    },
    predict: (host, props, { now }) => keep(host, props, now),
    paths: ({ confDir, name }) => [under(confDir, `${name}.conf`)],
    files: (props) => (props.absent ? [] : [{ ...target(props), content: renderProgram(props) }]),
  },
)

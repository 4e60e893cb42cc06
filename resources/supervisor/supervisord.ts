/** Keeps a supervisord running that no init system manages. */
import { dirname } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'
import { Deadline } from '../services/deadline.ts'
import { LogPosition } from '../services/managers/log_position.ts'
import { lastLines } from '../services/managers/types.ts'
import { Supervisor, SupervisorReader, systemSocket } from './client.ts'

const state = z.strictObject({
  running: z.boolean(),
  /** Whether it was started with another configuration than the current one. */
  outdated: z.boolean(),
})

/** How long a supervisord that no longer answers may take to end. */
const farewell = seconds(5)

function recordName({ socket }: { readonly socket: string }): string {
  return `supervisord ${socket}`
}

function readConfiguration(host: HostReader, { config }: { readonly config: string }): string {
  return digestOf(host.readText(config))
}

/** Returns the process that the pid file names if it is a supervisord, else null. */
function supervisordProcess(host: HostReader, pidFile: string): string | null {
  const pid = /^\d+/.exec(host.readText(pidFile) ?? '')?.[0]
  return pid !== undefined && host.readText(`/proc/${pid}/cmdline`)?.includes('supervisord') ? pid : null
}

/**
 * Refuses a second supervisord if one runs that answers at another socket or at none.
 * @throws SUPERVISOR_ELSEWHERE
 */
async function refuseSecondSupervisord(host: Host, socket: string, pidFile: string): Promise<void> {
  const limit = new Deadline(host, farewell)
  for (let pid = supervisordProcess(host, pidFile); pid !== null; pid = supervisordProcess(host, pidFile))
    if (!(await limit.pause()))
      throw new ConvergeError(`a supervisord is running (process ${pid}) that does not answer at ${socket}`, {
        code: 'SUPERVISOR_ELSEWHERE',
        hint: `end it with all its programs (kill ${pid}), then run again: a second supervisord would start every program twice`,
      })
}

export const supervisord = defineResource(
  {
    type: 'supervisord',
    doc: 'Keeps supervisord running, or stopped with all its programs. If systemd starts it, use service instead.',
    mirrors: 'supervisord(1)',
    examples: [
      { config: '/etc/supervisor/supervisord.conf' },
      {
        config: '/home/jane/site/etc/supervisord.conf',
        socket: '/home/jane/site/run/supervisor.sock',
        program: '/home/jane/site/venv/bin/supervisord',
      },
    ],
    reach: ({ socket }) => [socket],
    key: ({ socket }) => socket,
    props: z.strictObject({
      config: absolutePath.describe('Its configuration; nodaemon must not be set there'),
      socket: absolutePath
        .default(systemSocket)
        .describe('The unix socket its configuration names; default /var/run/supervisor.sock'),
      program: absolutePath.default('/usr/bin/supervisord').describe('The executable; default /usr/bin/supervisord'),
      action: z.enum(['running', 'stopped']).default('running').describe("Its state: 'running' (default) or 'stopped'"),
      pidFile: absolutePath
        .optional()
        .describe(
          'The pidfile that its configuration names: while that process runs, no second supervisord is started; default: not checked',
        ),
      log: absolutePath
        .optional()
        .describe('Its own log, whose end is shown when it does not start; default: none shown'),
      deadline: duration
        .default(() => seconds(60))
        .describe('How long it may take to answer, or to stop all it runs; default 60 s'),
    }),
    state,
    readsAhead: true,
  },
  {
    async read(host, props) {
      const state = await new SupervisorReader(host, props.socket).getState()
      const running = state !== null && state !== 'SHUTDOWN'
      const startedWith = host.recorded(recordName(props))
      return { running, outdated: running && ![null, readConfiguration(host, props)].includes(startedWith) }
    },
    desired({ action, socket, program, config }, now, context) {
      const running = action === 'running'
      // A restart would stop all its programs: the operator decides.
      if (running && now.outdated)
        context.warn(
          `it runs with an older ${config}: the changes take effect at its next start, which stops all its programs: ${dirname(program)}/supervisorctl -s unix://${socket} shutdown, then converge start`,
        )
      return { running, outdated: running && now.outdated }
    },
    async apply(host, props) {
      const { socket, program, config, action, pidFile, log, deadline } = props
      const supervisor = new Supervisor(host, socket)
      const limit = new Deadline(host, deadline)
      const written = log === undefined ? undefined : new LogPosition(host, log)
      const wait = async (target: string | null) => {
        while ((await supervisor.getState()) !== target)
          if (!(await limit.pause()))
            throw new ConvergeError(`supervisord was not ${action} within ${deadline}`, {
              code: 'SUPERVISOR_DOWN',
              output: written === undefined ? undefined : lastLines(written.text(), 20),
              hint:
                action === 'running'
                  ? `set file=${socket} in [unix_http_server] of ${config}, and correct the errors that its log shows`
                  : `wait until its programs have ended, or set a longer deadline, then run again`,
            })
      }
      if (action === 'stopped') {
        await supervisor.shutdown()
        return wait(null)
      }
      // A supervisord that is stopping must end first.
      await wait(null)
      if (pidFile !== undefined) await refuseSecondSupervisord(host, socket, pidFile)
      // Recorded before the start: after it, a killed run might leave the record of an earlier start.
      host.record(recordName(props), readConfiguration(host, props))
      await host.run([program, '-c', config], { timeout: deadline, outlivesRun: true })
      await wait('RUNNING')
    },
    words: ({ action }) => (action === 'running' ? 'started' : 'stopped'),
    predict: () => undefined,
  },
)

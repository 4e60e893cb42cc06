/** Keeps a supervisord of one's own running. */
import * as z from 'zod'
import { ConvergeError } from '../core/model/errors.ts'
import { defineResource } from '../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../core/model/units.ts'
import { Deadline } from './services/roll.ts'
import { endOfFile } from './services/types.ts'
import { Supervisor, SupervisorReader, systemSocket } from './supervisor/client.ts'

const state = z.strictObject({ running: z.boolean() })

export const supervisord = defineResource(
  {
    type: 'supervisord',
    doc: 'Keeps supervisord running, or stopped with all it runs. Where systemd starts it, use service instead.',
    mirrors: 'supervisord(1)',
    examples: [
      { config: '/etc/supervisor/supervisord.conf' },
      {
        config: '/home/jane/site/etc/supervisord.conf',
        socket: '/home/jane/site/run/supervisor.sock',
        program: '/home/jane/site/venv/bin/supervisord',
      },
    ],
    key: ({ socket }) => socket,
    props: z.strictObject({
      config: absolutePath.describe('Its configuration; nodaemon must not be set there'),
      socket: absolutePath
        .default(systemSocket)
        .describe('The unix socket its configuration names; default /var/run/supervisor.sock'),
      program: absolutePath.default('/usr/bin/supervisord').describe('The executable; default /usr/bin/supervisord'),
      action: z
        .enum(['running', 'stopped'])
        .default('running')
        .describe("What it is kept at: 'running' (default) or 'stopped'"),
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
    async read(host, { socket }) {
      const state = await new SupervisorReader(host, socket).getState()
      return { running: state !== null && state !== 'SHUTDOWN' }
    },
    desired: ({ action }) => ({ running: action === 'running' }),
    async apply(host, { socket, program, config, action, log, deadline }) {
      const supervisor = new Supervisor(host, socket)
      const limit = new Deadline(host, deadline)
      const wait = async (wanted: string | null) => {
        while ((await supervisor.getState()) !== wanted)
          if (!(await limit.pause()))
            throw new ConvergeError(`supervisord was not ${action} within ${deadline}`, {
              code: 'SUPERVISOR_DOWN',
              output: log === undefined ? undefined : endOfFile(host, log, 20),
              hint: `look whether ${config} has a [unix_http_server] with file=${socket}, and what its log says`,
            })
      }
      if (action === 'stopped') {
        await supervisor.shutdown()
        return wait(null)
      }
      // One that is on its way down has to be gone first.
      await wait(null)
      await host.run([program, '-c', config], { timeout: deadline })
      await wait('RUNNING')
    },
    words: ({ action }) => (action === 'running' ? 'started' : 'stopped'),
    predict: () => undefined,
  },
)

/** Removes the programs of an app from supervisord that its recipe no longer declares. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { Supervisor, systemSocket } from './client.ts'
import { readApp, recordRemoved } from './managed_files.ts'
import { removeProgram } from './remove_program.ts'

const props = z.strictObject({
  app: z.string().min(1).describe('App: only programs that supervisor_program wrote with this `app` are removed'),
  keep: z.array(z.string()).describe('Names of the programs that the recipe declares'),
  confDir: absolutePath
    .default('/etc/supervisor/conf.d')
    .describe('Directory of the program files; default /etc/supervisor/conf.d'),
  socket: absolutePath.default(systemSocket).describe("supervisord's unix socket; default /var/run/supervisor.sock"),
})
type Props = z.output<typeof props>

const state = z.strictObject({ surplus: z.array(z.string()) })

/**
 * Returns the programs to remove. Only files that were written for the app count: those of an operator or of a custom
 * recipe stay.
 */
function undeclaredPrograms(host: HostReader, { app, keep, confDir }: Props): string[] {
  return host.list(confDir).flatMap((file) => {
    if (!file.endsWith('.conf')) return []
    const name = file.slice(0, -'.conf'.length)
    return !keep.includes(name) && readApp(host, `${confDir}/${file}`) === app ? [name] : []
  })
}

export const supervisor_cleanup = defineResource(
  {
    type: 'supervisor_cleanup',
    doc: 'Stops and removes programs of an app that the recipe no longer declares; all that was not written for that app stays.',
    mirrors: 'supervisorctl remove',
    examples: [{ app: 'site', keep: ['site-client1', 'site-client2'] }],
    reach: ({ socket }) => [socket],
    key: ({ app, confDir }) => `${app} in ${confDir}`,
    props,
    state,
  },
  {
    read: (host, props) => ({ surplus: undeclaredPrograms(host, props) }),
    desired: () => ({ surplus: [] }),
    words: (_, { now }) => `stop and remove ${now.surplus.join(', ')}`,
    async apply(host, { confDir, socket }, { now }) {
      const supervisor = new Supervisor(host, socket)
      for (const name of now.surplus) {
        await removeProgram(host, supervisor, name)
        // The file is removed last: while it exists, the next run knows that the removal is incomplete.
        recordRemoved(host, `${confDir}/${name}.conf`)
        host.remove(`${confDir}/${name}.conf`)
      }
    },
    predict(host, { confDir }, { now }) {
      for (const name of now.surplus) host.remove(`${confDir}/${name}.conf`)
    },
  },
)

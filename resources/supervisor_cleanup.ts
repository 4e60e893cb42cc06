/** Takes programs of an app out of supervisord that its recipe no longer declares. */
import * as z from 'zod'
import type { HostReader } from '../core/host/types.ts'
import { defineResource } from '../core/model/resource.ts'
import { absolutePath } from '../core/model/units.ts'
import { Supervisor, systemSocket } from './supervisor/client.ts'
import { forget } from './supervisor/forget.ts'
import { startsIn, writtenByConverge } from './supervisor/program_file.ts'

const props = z.strictObject({
  app: z.string().min(1).describe('Programs named `<app>` or `<app>-...` are looked at'),
  keep: z.array(z.string()).describe('Names of those the recipe declares'),
  others: z
    .array(z.string())
    .default([])
    .describe('Other apps of this host whose name begins with this one: theirs are left alone'),
  directory: absolutePath
    .optional()
    .describe('Only programs that start in this directory, so that no other app is meant by its name; default: all'),
  confDir: absolutePath
    .default('/etc/supervisor/conf.d')
    .describe('Directory of the program files; default /etc/supervisor/conf.d'),
  socket: absolutePath.default(systemSocket).describe("supervisord's unix socket; default /var/run/supervisor.sock"),
})
type Props = z.output<typeof props>

const state = z.strictObject({ surplus: z.array(z.string()) })

/** Only files that converge wrote: what an operator put beside them stays. */
function surplus(host: HostReader, { app, keep, others, directory, confDir }: Props): string[] {
  return host.list(confDir).flatMap((file) => {
    const name = file.endsWith('.conf') ? file.slice(0, -'.conf'.length) : ''
    const isOurs = (owner: string) => name === owner || name.startsWith(`${owner}-`)
    if (!isOurs(app) || others.some((other) => other.startsWith(app) && isOurs(other)) || keep.includes(name)) return []
    const text = host.readText(`${confDir}/${file}`)
    return writtenByConverge(text) && (directory === undefined || startsIn(text, directory)) ? [name] : []
  })
}

export const supervisor_cleanup = defineResource(
  {
    type: 'supervisor_cleanup',
    doc: 'Stops and removes programs of an app that the recipe no longer declares; those not written by converge stay.',
    mirrors: 'supervisorctl remove',
    examples: [{ app: 'site', keep: ['site-client1', 'site-client2'] }],
    key: ({ app, confDir }) => `${app} in ${confDir}`,
    props,
    state,
  },
  {
    read: (host, given) => ({ surplus: surplus(host, given) }),
    desired: () => ({ surplus: [] }),
    async apply(host, { confDir, socket }, { now }) {
      const supervisor = new Supervisor(host, socket)
      for (const name of now.surplus) {
        await forget(host, supervisor, name)
        // The file last: as long as it is there, the next run knows that there is something to do.
        host.remove(`${confDir}/${name}.conf`)
      }
    },
    predict(host, { confDir }, { now }) {
      for (const name of now.surplus) host.remove(`${confDir}/${name}.conf`)
    },
  },
)

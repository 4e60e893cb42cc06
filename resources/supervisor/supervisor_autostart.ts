/** Sets whether supervisord starts the programs of an app when supervisord itself starts, such as after a reboot. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { readApp } from './managed_files.ts'
import { headerPattern } from './program_file.ts'
import { programName } from './program_props.ts'

const props = z.strictObject({
  app: programName.describe('Programs that were written for this app'),
  programs: z.array(programName).default([]).describe('Names of further programs, that are written for no app'),
  enabled: z
    .boolean()
    .describe(
      'false: those that start with supervisord no longer do; true: those that this resource kept down do again',
    ),
  confDir: absolutePath
    .default('/etc/supervisor/conf.d')
    .describe('Directory of the program files; default /etc/supervisor/conf.d'),
})
type Props = z.output<typeof props>

const state = z.strictObject({ due: z.array(z.string()) })

/**
 * The comment distinguishes these from programs that never start with supervisord, such as the idle one of two ports.
 */
const down = 'autostart=false ; stopped on purpose'
const lines = {
  on: /^autostart=true$/m,
  off: new RegExp(`^${down}$`, 'm'),
}

function programsToChange(host: HostReader, { app, programs, enabled, confDir }: Props): string[] {
  return host.list(confDir).flatMap((file) => {
    if (!file.endsWith('.conf')) return []
    const [name, path] = [file.slice(0, -'.conf'.length), `${confDir}/${file}`]
    const text = host.readText(path) ?? ''
    if (!headerPattern.test(text) || !(enabled ? lines.off : lines.on).test(text)) return []
    return programs.includes(name) || readApp(host, path) === app ? [name] : []
  })
}

export const supervisor_autostart = defineResource(
  {
    type: 'supervisor_autostart',
    doc: 'Keeps the programs of an app from starting with supervisord, or lets them start with it again. Starts and stops nothing.',
    mirrors: 'supervisord.conf(5): autostart',
    examples: [
      { app: 'site', enabled: false },
      { app: 'site', enabled: true },
    ],
    // Stop and deploy in one run declare both.
    reach: 'paths',
    key: ({ app, confDir, enabled }) => `${app} ${enabled ? 'on' : 'off'} in ${confDir}`,
    props,
    state,
  },
  {
    read: (host, props) => ({ due: programsToChange(host, props) }),
    desired: () => ({ due: [] }),
    apply(host, { confDir, enabled }, { now }) {
      for (const name of now.due) {
        const path = `${confDir}/${name}.conf`
        const text = host.readText(path) ?? ''
        host.writeFile(path, enabled ? text.replace(lines.off, 'autostart=true') : text.replace(lines.on, down))
      }
    },
    words: ({ enabled }, { now }) => `${now.due.join(', ')} ${enabled ? 'start' : 'do not start'} with supervisord`,
  },
)

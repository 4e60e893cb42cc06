/** Manages one setting of the kernel: its running value, and the one that the next boot sets. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { kernelPath, kernelSettingName, kernelSettingText } from '../../core/text/sysctl.ts'
import { requireRoot } from '../accounts/account_files.ts'

const props = requiredUnlessAbsent(
  z.strictObject({
    key: z
      .string()
      .regex(kernelSettingName, { error: 'a key such as vm.swappiness' })
      .describe('Name of the setting; as in sysctl.d(5), net/ipv4/conf/eth0.100/rp_filter has a name with a dot'),
    value: z
      .union([z.int(), z.string().regex(kernelSettingText, { error: 'a value on one line' })])
      .optional()
      .describe('Its value; required unless absent'),
    absent: z
      .boolean()
      .optional()
      .describe('Remove the file of this setting instead; the running value stays until the next boot. Default false'),
  }),
  'value',
)
type Props = z.output<typeof props>

const state = z.strictObject({
  /** The value in the file of this setting; null without it. */
  boot: z.string().nullable(),
  /** The value that the kernel uses; null if the file must be absent, or the kernel has no such setting. */
  running: z.string().nullable(),
})
type State = z.output<typeof state>

const directories = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d', '/lib/sysctl.d']

const nameOf = (key: string) => `99-converge-${kernelPath(key).replaceAll('/', '-')}.conf`
const pathOf = ({ key }: { readonly key: string }) => `${directories[0]}/${nameOf(key)}`
const procPath = ({ key }: { readonly key: string }) => `/proc/sys/${kernelPath(key)}`

/** The kernel separates the parts of a value by tabs. */
const normalized = (value: string | number) => `${value}`.trim().split(/\s+/).join(' ')

/** Returns the value that a file sets last. */
function valueIn(text: string, key: string): string | null {
  const lines = text.split('\n').flatMap((line) => {
    const [, name = '', value = ''] = /^\s*-?\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return name !== '' && kernelPath(name) === kernelPath(key) ? [normalized(value)] : []
  })
  return lines.at(-1) ?? null
}

/** Returns the files that are read after the file of this setting. Of files with one name the first directory counts. */
function laterFiles(host: HostReader, key: string): string[] {
  const paths = new Map<string, string>()
  for (const directory of directories)
    for (const name of host.list(directory))
      if (name.endsWith('.conf') && !paths.has(name)) paths.set(name, `${directory}/${name}`)
  const later = [...paths].filter(([name]) => name > nameOf(key)).sort(([a], [b]) => (a < b ? -1 : 1))
  return later.map(([, path]) => path)
}

function writeFile(host: Host, props: Props): void {
  requireRoot(host, [['sysctl', '-w', `${props.key}=${props.value}`]])
  if (props.absent) host.remove(pathOf(props))
  else host.writeFile(pathOf(props), `${props.key} = ${normalized(props.value ?? '')}\n`, { mode: '0644' })
}

export const sysctl = defineResource(
  {
    type: 'sysctl',
    doc: 'Keeps a setting of the kernel, at once and after the next boot, in a file of its own in /etc/sysctl.d.',
    mirrors: "Chef's sysctl resource; sysctl(8), sysctl.d(5)",
    examples: [{ key: 'vm.swappiness', value: 10 }],
    reach: 'system',
    key: ({ key }) => key,
    props,
    state,
  },
  {
    precheck(host, { key, value, absent }) {
      if (absent || typeof key !== 'string' || !['string', 'number'].includes(typeof value)) return
      for (const path of laterFiles(host, key)) {
        const found = host.stat(path)?.kind === 'file' ? valueIn(host.readText(path) ?? '', key) : null
        if (found === null || found === normalized(value ?? '')) continue
        throw new ConvergeError(
          `the next boot would set ${key} to ${found}: ${path} is read after ${pathOf({ key })}`,
          {
            code: 'OVERRIDDEN',
            hint: `remove the line with ${key} from ${path}, or declare the value ${found}`,
          },
        )
      }
    },
    read(host, props): State {
      const text = host.readText(pathOf(props))
      const boot = text === null ? null : (valueIn(text, props.key) ?? '')
      if (props.absent) return { boot, running: null }
      const running = host.readText(procPath(props))
      return { boot, running: running === null ? null : normalized(running) }
    },
    desired({ key, value, absent }, now): State {
      if (absent) return { boot: null, running: null }
      if (now.running === null)
        throw new ConvergeError(`the kernel has no setting ${key}`, {
          code: 'UNKNOWN_SETTING',
          hint: `correct the key, or load the kernel module that has it before this: ls ${procPath({ key })}`,
        })
      return { boot: normalized(value ?? ''), running: normalized(value ?? '') }
    },
    async apply(host, props, { now, desired }) {
      // First the kernel, which refuses a wrong value: the next boot must not meet it.
      if (now.running !== desired.running) await host.run(['sysctl', '-q', '-w', `${props.key}=${desired.running}`])
      if (now.boot !== desired.boot) writeFile(host, props)
    },
    predict(host, props, { now, desired }) {
      if (now.running !== desired.running) host.writeFile(procPath(props), `${desired.running}\n`)
      if (now.boot !== desired.boot) writeFile(host, props)
    },
    paths: (props) => [pathOf(props)],
  },
)

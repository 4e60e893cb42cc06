/** Manages the name of the host: the running one, and the one of the next boot. */
import * as z from 'zod'
import { defineResource } from '../../core/model/resource.ts'
import { requireRoot } from '../accounts/account_files.ts'

const file = '/etc/hostname'
const running = '/proc/sys/kernel/hostname'

const props = z.strictObject({
  name: z
    .string()
    .max(64)
    .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/, {
      error: 'a host name of at most 64 letters, digits, dashes and dots',
    })
    .describe('Name of the host, usually without its domain'),
})

const state = z.strictObject({
  /** The name in /etc/hostname; empty without the file. */
  boot: z.string(),
  running: z.string(),
})
type State = z.output<typeof state>

/** Reads as hostname(5): comments and blank lines do not count. */
function nameIn(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.find((line) => line !== '' && !line.startsWith('#')) ?? ''
}

export const hostname = defineResource(
  {
    type: 'hostname',
    doc: 'Keeps the name of the host, at once and after the next boot. It does not change /etc/hosts: declare the name with hosts_entry too.',
    mirrors: "Chef's hostname resource; hostname(1), hostname(5)",
    examples: [{ name: 'web1' }],
    reach: 'system',
    key: () => file,
    props,
    state,
  },
  {
    read: (host): State => ({ boot: nameIn(host.readText(file) ?? ''), running: nameIn(host.readText(running) ?? '') }),
    desired: ({ name }): State => ({ boot: name, running: name }),
    async apply(host, { name }, { now }) {
      requireRoot(host, [['hostname', name]])
      if (now.boot !== name) host.writeFile(file, `${name}\n`, { mode: '0644' })
      if (now.running !== name) await host.run(['hostname', name])
    },
    predict(host, { name }, { now }) {
      requireRoot(host, [['hostname', name]])
      if (now.boot !== name) host.writeFile(file, `${name}\n`, { mode: '0644' })
      if (now.running !== name) host.writeFile(running, `${name}\n`)
    },
    paths: () => [file],
  },
)

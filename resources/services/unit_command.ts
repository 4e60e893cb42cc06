/** Reads the command of a systemd unit as its package and the operator define it, without the drop-in of converge. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { unitValues } from '../../core/text/unit_file.ts'

const props = z.strictObject({
  unit: z
    .string()
    .regex(/^[\w.@:-]+\.service$/, { error: 'the full name of a unit, such as varnish.service' })
    .describe('Name of the unit, with its ending'),
  without: z
    .string()
    .regex(/^[\w.@:-]+\.conf$/, { error: 'the name of a drop-in, such as converge.conf' })
    .describe('Name of the drop-in that replaces the command; it is not read'),
})

const state = z.strictObject({
  /** Null if the unit is not installed, or has no command. */
  command: z.string().nullable(),
})

/** The directories of units, in systemd's order of precedence: systemd.unit(5). */
const directories = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]

export const unit_command = defineResource(
  {
    type: 'unit_command',
    doc: 'Reads the command (`ExecStart`) of a unit of systemd from its file and drop-ins, for a drop-in that changes only a part of it. Changes nothing.',
    mirrors: 'systemctl cat, systemd.unit(5)',
    examples: [{ unit: 'varnish.service', without: 'converge.conf' }],
    reach: 'paths',
    key: ({ unit }) => unit,
    props,
    state,
  },
  {
    read: (host, { unit, without }) => ({
      command: unitValues(readUnitTexts(host, unit, without), 'Service', 'ExecStart').at(-1) ?? null,
    }),
    desired({ unit }, now) {
      if (now.command === null)
        throw new ConvergeError(`${unit} is not installed, or has no ExecStart`, {
          code: 'NO_SERVICE',
          hint: 'declare its package with packages() before this, or correct the name of the unit',
        })
      return now
    },
    apply: () => undefined,
    outputs: (_, { command }) => ({ command: command ?? '' }),
    placeholders: ({ unit }) => ({ command: `(command of ${unit})` }),
  },
)

/** Returns the unit's file, and then its drop-ins in the order in which systemd reads them. */
function readUnitTexts(host: HostReader, unit: string, without: string): string[] {
  const main = directories.map((directory) => readOrNull(host, `${directory}/${unit}`)).find((text) => text !== null)
  const dropIns = new Map<string, string>()
  for (const directory of [...directories].reverse())
    for (const name of host.list(`${directory}/${unit}.d`))
      if (name.endsWith('.conf')) dropIns.set(name, readOrNull(host, `${directory}/${unit}.d/${name}`) ?? '')
  dropIns.delete(without)
  const names = [...dropIns.keys()].sort()
  return [main ?? '', ...names.map((name) => dropIns.get(name) ?? '')]
}

function readOrNull(host: HostReader, path: string): string | null {
  return host.stat(path)?.kind === 'file' ? host.readText(path) : null
}

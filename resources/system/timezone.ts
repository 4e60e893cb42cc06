/** Manages the time zone of the host. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'

const link = '/etc/localtime'
const file = '/etc/timezone'
const zones = '/usr/share/zoneinfo'

const props = z.strictObject({
  zone: z
    .string()
    .regex(/^[A-Za-z][\w+-]*(\/[A-Za-z][\w+-]*)*$/, { error: 'a time zone, such as Europe/Zurich or Etc/UTC' })
    .describe('Name of the time zone, as timedatectl list-timezones prints it'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** The zone that /etc/localtime points to; empty if it is no link to a zone. */
  localtime: z.string(),
  /** The zone in /etc/timezone, which programs of Debian read; empty without the file. */
  timezone: z.string(),
  /** Whether the host has the declared zone. */
  exists: z.boolean(),
})
type State = z.output<typeof state>

function zoneOf(host: HostReader): string {
  const target = host.readLink(link) ?? ''
  return /(?:^|\/)usr\/share\/zoneinfo\/(.+)$/.exec(target)?.[1] ?? ''
}

function apply(host: Host, { zone }: Props, { now }: { readonly now: State }): void {
  if (now.localtime !== zone) host.replaceLink(link, `${zones}/${zone}`)
  if (now.timezone !== zone) host.writeFile(file, `${zone}\n`, { mode: '0644' })
}

export const timezone = defineResource(
  {
    type: 'timezone',
    doc: 'Keeps the time zone of the host. Programs that run already, such as cron, keep the earlier one until they restart.',
    mirrors: "Chef's timezone resource; localtime(5)",
    examples: [{ zone: 'Europe/Zurich' }],
    reach: 'system',
    key: () => link,
    props,
    state,
  },
  {
    read: (host, { zone }): State => ({
      localtime: zoneOf(host),
      timezone: (host.readText(file) ?? '').trim(),
      exists: host.stat(`${zones}/${zone}`)?.kind === 'file',
    }),
    desired({ zone }, now): State {
      if (!now.exists)
        throw new ConvergeError(`there is no time zone ${zone} on this host`, {
          code: 'UNKNOWN_ZONE',
          hint: "correct its name, or declare the zones before this: packages(r, { names: ['tzdata'] })",
        })
      return { localtime: zone, timezone: zone, exists: true }
    },
    apply,
    predict: apply,
    paths: () => [link, file],
  },
)

/** Defines settings of the operating system that the cookbook changed on each host of a site. */
import * as z from 'zod'
import { field, group, orAbsent, orNull } from './fields.ts'

const zone = () =>
  z.string().regex(/^[A-Za-z][\w+-]*(\/[A-Za-z][\w+-]*)*$/, { error: 'a time zone, such as Europe/Zurich or Etc/UTC' })

export const system = orAbsent(() =>
  group(
    'Settings of the operating system.',
    {
      timezone: field(
        orNull(zone()),
        null,
        'Time zone of the host, such as Europe/Zurich. The times of packing and backups follow it. Null leaves it as it is.',
      ),
    },
    { cookbook: 'plone_buildout', open: true },
  ),
)

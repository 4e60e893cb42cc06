/** Defines the attributes that backups of ZEO servers and of RelStorage databases have in common. */
import * as z from 'zod'
import { field, orNull } from './fields.ts'
import { number } from './values.ts'

/** A directory, also of another host as rsync names it. */
const rsyncTarget = () =>
  z.string().regex(/^(([\w.-]+@)?[\w.-]+:)?\/[^\s\0]*[^\s\0/]$/, { error: 'a directory, or user@host:/directory' })

export const copyTarget = () =>
  field(
    orNull(rsyncTarget()),
    null,
    'Directory that rsync copies the backups to, such as `backup@10.0.0.9:/srv/backups` over ssh. Null for no copy.',
  )

export const maxAgeHours = () =>
  field(number(1), 26, 'Age from which `converge status` reports the last backup as too old.', { unit: 'hours' })

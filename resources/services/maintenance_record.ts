/** Records which operator closed a site for maintenance, and when, until the site is opened again. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { defineResource } from '../../core/model/resource.ts'
import { type OperatorRecord, readOperatorRecord, writeOperatorRecord } from './operator_record.ts'

const props = z
  .strictObject({
    app: z.string().min(1).describe('The app'),
    closed: z.boolean().default(true).describe('false removes the record; default true'),
    by: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the operator who closes the site; required unless closed is false'),
  })
  .refine(({ closed, by }) => !closed || by !== undefined, { error: 'by is required unless closed is false' })

const state = z.strictObject({ closed: z.boolean() })

const recordName = (app: string) => `closed ${app}`

/** Returns the record of a site that is closed; null if there is none. */
export function maintenanceRecord(host: HostReader, app: string): OperatorRecord | null {
  return readOperatorRecord(host, recordName(app))
}

export const maintenance_record = defineResource(
  {
    type: 'maintenance_record',
    doc: 'Records that a site was closed for maintenance. Closing it a second time keeps the first record.',
    examples: [
      { app: 'site', by: 'alice@web1' },
      { app: 'site', closed: false },
    ],
    reach: 'paths',
    key: ({ app, closed }) => (closed ? app : `${app} removed`),
    props,
    state,
  },
  {
    read: (host, { app }) => ({ closed: maintenanceRecord(host, app) !== null }),
    desired: ({ closed }) => ({ closed }),
    apply: (host, { app, closed, by = '' }) => writeOperatorRecord(host, recordName(app), closed ? by : null),
    words: ({ app, closed, by }) => (closed ? `${app} is closed by ${by}` : `${app} is no longer closed`),
  },
)

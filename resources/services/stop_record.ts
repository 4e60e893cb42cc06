/** Records that an operator stopped an app, with name and time, until the app is started or deployed. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import type { IntendedStop } from '../../core/model/app_status.ts'
import { type DefaultedQuery, defineQuery } from '../../core/model/query.ts'
import { defineResource } from '../../core/model/resource.ts'
import { readOperatorRecord, writeOperatorRecord } from './operator_record.ts'

const props = z
  .strictObject({
    app: z.string().min(1).describe('The app'),
    stopped: z.boolean().default(true).describe('false removes the record; default true'),
    by: z.string().min(1).optional().describe('Name of the operator who stops it; required unless stopped is false'),
  })
  .refine(({ stopped, by }) => !stopped || by !== undefined, { error: 'by is required unless stopped is false' })

const state = z.strictObject({ stopped: z.boolean() })

function recordName(app: string): string {
  return `stopped ${app}`
}

/** Returns the record of an app that was stopped on purpose; null if it was not, or was started since. */
export function intendedStop(host: HostReader, app: string): IntendedStop | null {
  return readOperatorRecord(host, recordName(app))
}

/** The record of an app that was stopped on purpose; null if it was not. */
export function stopOf(app: string): DefaultedQuery<IntendedStop | null> {
  return defineQuery({
    name: `whether ${app} was stopped on purpose`,
    read: (host) => intendedStop(host, app),
    unread: null,
  })
}

export const stop_record = defineResource(
  {
    type: 'stop_record',
    doc: 'Records that an app was stopped on purpose, so that only start, restart, rollback or a deploy starts it again. A second stop keeps the first record.',
    examples: [
      { app: 'site', by: 'alice@web1' },
      { app: 'site', stopped: false },
    ],
    // Stop and deploy in one run declare both.
    reach: 'paths',
    key: ({ app, stopped }) => (stopped ? app : `${app} removed`),
    props,
    state,
  },
  {
    read: (host, { app }) => ({ stopped: intendedStop(host, app) !== null }),
    desired: ({ stopped }) => ({ stopped }),
    apply: (host, { app, stopped, by = '' }) => writeOperatorRecord(host, recordName(app), stopped ? by : null),
    words: ({ app, stopped, by }) =>
      stopped ? `${app} is stopped by ${by}` : `${app} is no longer stopped on purpose`,
  },
)

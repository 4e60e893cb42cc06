/** Reports for `status` how the jobs of a database ended, from their records: no process is started. */
import * as z from 'zod'
import type { JobView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { readDisposable } from '../../core/model/file_errors.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { orUnreadable } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { packsRelstorage } from './relational_upkeep.ts'
import { upkeepDirectory } from './upkeep.ts'

const schema = z.object({ ended: z.iso.datetime({ offset: true }), status: z.int(), error: z.string() })
type JobRecord = z.output<typeof schema>

const secondsOfHour = 3600

export function jobViews(
  node: SiteNode,
  app: BuildoutApp,
  host: HostReader,
  releases: readonly Release[],
): readonly JobView[] {
  const schedule = scheduleOf(node, app)
  if (schedule === null || releases.length === 0) return []
  const { enable_backup, enable_pack, stages, max_age_hours } = schedule
  const viewOf = (name: string, isScheduled: boolean, late?: (record: JobRecord | null) => string | null) => {
    const record = readRecord(host, app, name)
    const failure = record === null || record.status === 0 ? null : `failed, ${record.ended}: ${reasonOf(record)}`
    const problem = failure ?? (isScheduled ? (late?.(record) ?? null) : null)
    if (record === null && problem === null) return []
    return [{ name, ok: problem === null, detail: problem ?? `succeeded, ${record?.ended}` }]
  }
  const isOld = (time: string | null | undefined) => host.now() - secondsAt(time) > max_age_hours * secondsOfHour
  const lateBackup = (record: JobRecord | null) => {
    // A new site has time until its first backup.
    if (!isOld(record?.ended ?? releases[0]?.created)) return null
    return record === null
      ? 'missing: no backup is recorded (run converge backup now)'
      : `too old: the last one ended ${record.ended}, more than ${max_age_hours} hours ago`
  }
  return [
    ...viewOf('backup', enable_backup, lateBackup),
    ...viewOf('pack', enable_pack),
    ...stages.flatMap((stage) => viewOf(stage, true)),
    ...viewOf('verify', false),
    ...viewOf('restore', false),
  ]
}

function scheduleOf(node: SiteNode, app: BuildoutApp) {
  if (app.role === 'zeo-server') {
    const { enable_backup, enable_pack, backup } = node.plone_zeoserver
    return { enable_backup, enable_pack, stages: [], max_age_hours: backup.max_age_hours }
  }
  if (!packsRelstorage(node, app)) return null
  const { enabled: enable_backup, max_age_hours } = node.plone_instances.relstorage.backup
  return { enable_backup, enable_pack: true, stages: ['prepack', 'pack-stage', 'clear-refs'], max_age_hours }
}

function readRecord(host: HostReader, app: BuildoutApp, job: string): JobRecord | null {
  const text = orUnreadable(() => readDisposable(host, `${upkeepDirectory(app)}/${job}.json`))
  try {
    const parsed = schema.safeParse(JSON.parse(text ?? 'null'))
    return parsed.success ? parsed.data : null
  } catch {
    // The account of the app owns the file, and may have written anything.
    return null
  }
}

function reasonOf({ error, status }: JobRecord): string {
  return (
    error
      .split('\n')
      .findLast((line) => line.trim() !== '')
      ?.slice(0, 300) ?? `status ${status}`
  )
}

function secondsAt(time: string | null | undefined): number {
  return Date.parse(time ?? '') / 1000 || 0
}

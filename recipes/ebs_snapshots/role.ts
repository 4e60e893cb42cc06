/** Defines the role ebs-snapshots: scheduled snapshots of the EBS volumes that are mounted on the host. */
import * as z from 'zod'
import type { HostCheck, Inspection, JobView } from '../../core/compile/inspection.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { readDisposable } from '../../core/model/file_errors.ts'
import { minutes } from '../../core/model/units.ts'
import { execute } from '../../resources/commands/execute.ts'
import { cron } from '../../resources/cron/cron.ts'
import { checkSchedule, longestGapHours } from '../../resources/cron/cron_schedule.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { requireSystem } from '../app/require_system.ts'
import { orUnreadable } from '../app/stopped.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { snapshotProgram } from './program.ts'

const name = 'ebs-snapshots'
const job = 'converge-ebs-snapshots'
const path = '/var/lib/converge-ebs-snapshots'
const program = `${path}/snapshots.py`
const recordFile = `${path}/snapshots.json`
/** Several large file systems are flushed before they are frozen. */
const longest = minutes(60)

const owner = { owner: 'root', group: 'root' }

function declareFiles(r: Recipe<SiteNode>, node: SiteNode): void {
  requireSystem(node, name)
  check(node)
  const { keep, aws_key, aws_secret, endpoint, metadata_url } = node.ebs_snapshots
  const { region, hostname } = node.opsworks.instance
  const settings = { keep, aws_key, aws_secret, region, endpoint, metadata: metadata_url, host: hostname }
  r.unlessDeclared('directory', path, () => {
    directory(r, { path, mode: '0755', ...owner })
    file(r, { path: program, content: snapshotProgram, mode: '0644', ...owner })
    const content = `${JSON.stringify(settings, null, 2)}\n`
    file(r, { path: `${path}/settings.json`, content, mode: '0600', sensitive: true, ...owner })
    // `status` measures from here until the first snapshot.
    execute(r, { name: 'record of EBS snapshots', command: ['python3', program, 'begin'], creates: recordFile })
  })
}

function schedule(r: Recipe<SiteNode>, node: SiteNode): void {
  declareFiles(r, node)
  cron(r, {
    name: job,
    user: 'root',
    schedule: scheduleOf(node),
    command: `python3 ${program} 2>&1 | logger -t ${job}`,
  })
}

function scheduleOf({ ebs_snapshots: { minute, hour, weekday } }: SiteNode): string {
  return `${minute} ${hour} * * ${weekday}`
}

/** @throws INVALID_ATTRIBUTE for one half of a key, and for times that cron refuses */
function check({ ebs_snapshots: { aws_key, aws_secret, minute, hour, weekday } }: SiteNode): void {
  const values = new AttributeWriter()
  if (isSet(aws_key) !== isSet(aws_secret))
    values.refuse(
      isSet(aws_key) ? 'ebs_snapshots.aws_secret' : 'ebs_snapshots.aws_key',
      'is not set',
      'set ebs_snapshots.aws_key and ebs_snapshots.aws_secret, or neither, to use the IAM role of the instance',
    )
  const times = { minute: `${minute} 0 * * *`, hour: `0 ${hour} * * *`, weekday: `0 0 * * ${weekday}` }
  for (const [key, line] of Object.entries(times)) {
    const problem = checkSchedule(line)
    if (problem !== null)
      values.refuse(`ebs_snapshots.${key}`, `is not valid: ${problem}`, 'write it as in crontab(5), such as 8 or 0-6')
  }
  values.check()
}

const time = z.iso.datetime({ offset: true })

const schema = z.object({
  ended: time,
  status: z.int(),
  error: z.string(),
  /** By volume: the newest snapshot that was complete at the end of the run, and when a run first saw the volume. */
  volumes: z.record(z.string(), z.object({ newest: time.nullable(), since: time })),
  skipped: z.array(z.string()),
  unmounted: z.array(z.string()),
  begun: z.boolean().optional(),
})
type SnapshotRecord = z.output<typeof schema>

/** Returns null without a record, and 'damaged' for one that a crash of the host has damaged. */
function readRecord(host: HostReader): SnapshotRecord | 'damaged' | null {
  const text = orUnreadable(() => readDisposable(host, recordFile))
  if (text === null) return null
  try {
    return schema.safeParse(JSON.parse(text)).data ?? 'damaged'
  } catch {
    return 'damaged'
  }
}

const runNow = 'run converge backup now --role ebs-snapshots'

function jobView(node: SiteNode, host: HostReader): JobView[] {
  const record = readRecord(host)
  if (record === null) return []
  if (record === 'damaged')
    return [{ name: 'snapshots', ok: false, detail: `the record ${recordFile} is damaged (${runNow})` }]
  const problem = problemOf(record, limitHours(node), host.now())
  return [{ name: 'snapshots', ok: problem === null, detail: problem ?? detailOf(record) }]
}

/** Hours that a snapshot takes at most, beyond the time until the next run. */
const spareHours = 2

/** A schedule with longer gaps than the declared age leaves its snapshots to grow older. */
function limitHours(node: SiteNode): number {
  return Math.max(node.ebs_snapshots.max_age_hours, longestGapHours(scheduleOf(node)) + spareHours)
}

function problemOf(
  { ended, status, error, volumes, begun }: SnapshotRecord,
  hours: number,
  now: number,
): string | null {
  if (status !== 0) return `failed, ${ended}: ${error.split('\n').at(-1)?.slice(0, 300)}`
  const isOld = (from: string, to: number) => to - Date.parse(from) / 1000 > hours * 3600
  if (isOld(ended, now))
    return begun
      ? `missing: no snapshot is recorded (${runNow})`
      : `too old: the last run ended ${ended}, more than ${hours} hours ago`
  for (const [volume, { newest, since }] of Object.entries(volumes)) {
    if (newest === null && isOld(since, now)) return `missing: ${volume} has no snapshot of converge (${runNow})`
    // A newer snapshot may be complete by now: the next run finds out.
    if (newest !== null && isOld(newest, Date.parse(ended) / 1000))
      return `too old: the last complete snapshot of ${volume} is from ${newest}, more than ${hours} hours before the last run`
  }
  return null
}

function detailOf({ ended, begun, skipped, unmounted }: SnapshotRecord): string {
  if (begun) return `scheduled, ${ended}`
  const rest = [
    skipped.length > 0 ? `; skipped while a snapshot is pending: ${skipped.join(', ')}` : '',
    unmounted.length > 0 ? `; no snapshots of volumes without a mounted file system: ${unmounted.join(', ')}` : '',
  ]
  return `succeeded, ${ended}${rest.join('')}`
}

function inspect(node: SiteNode, host: HostReader): Inspection {
  return { apps: [{ name, directory: path, releases: [], unreleased: true, services: [], jobs: jobView(node, host) }] }
}

function checks(node: SiteNode, host: HostReader): HostCheck[] {
  return [
    rightsCheck(node, host, '/etc'),
    programCheck(host, 'python3', 'python3'),
    programCheck(host, 'crontab', 'cron'),
  ]
}

const nothing = () => undefined

export default role<SiteNode>(name, {
  doc: 'Scheduled snapshots of the EBS volumes that are mounted on the host',
  setup(r, node) {
    requireSystem(node, name)
    check(node)
    packages(r, { names: ['cron', 'python3'] })
    schedule(r, node)
  },
  configure: schedule,
  undeploy(r, node) {
    requireSystem(node, name)
    cron(r, { name: job, user: 'root', absent: true })
    directory(r, { path, absent: true })
  },
  inspect: async (node, host) => inspect(node, host),
  checks,
  events: {
    deploy: nothing,
    start: nothing,
    stop: nothing,
    restart: nothing,
    shutdown: nothing,
    backup_now(r, node) {
      declareFiles(r, node)
      r.takePart('backup')
      execute(r, { name: 'EBS snapshots', command: ['python3', program], timeout: longest })
    },
  },
})

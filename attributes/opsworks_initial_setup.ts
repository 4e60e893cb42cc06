/** Defines the attributes of the setup by the platform, and the defaults that follow from its mount point. */
import * as z from 'zod'
import { isObject, type JsonObject } from '../core/node/merge.ts'
import { kernelSettingName, kernelSettingText } from '../core/text/sysctl.ts'
import { field, group, mapKey, optional, orNull } from './fields.ts'
import { path } from './texts.ts'

const sysctlKey = mapKey.regex(kernelSettingName, {
  error: 'the name of a kernel setting, such as vm.swappiness',
})

const sysctlValue = z.union([z.int(), z.string().regex(kernelSettingText)], {
  error: 'a whole number, or text on one line',
})

/** pam_limits(8) refuses every login, of root too, for a value that the kernel does not accept: /proc/sys/fs/nr_open. */
const openFiles = z.int().min(1024).max(1_048_576)
const priority = z.int().min(-20).max(20)
const limit = z.union([z.int().min(1), z.literal('unlimited')], { error: 'a whole number above 0, or unlimited' })
const coreSize = z.union([z.int().min(0), z.literal('unlimited')], { error: 'a whole number, or unlimited' })

const otherLimits = [
  'as',
  'cpu',
  'data',
  'fsize',
  'locks',
  'maxlogins',
  'maxsyslogins',
  'memlock',
  'msgqueue',
  'nproc',
  'rss',
  'sigpending',
  'stack',
] as const

const limitNote = { mirrors: 'limits.conf(5)' }

/** The limits of limits.conf(5). */
const limits = () =>
  z.strictObject({
    core: optional(orNull(coreSize), 'Maximum size of a core file.', { ...limitNote, unit: 'kilobytes' }),
    nofile: optional(orNull(openFiles), 'Maximum number of open files; 65536 without it.', limitNote),
    nice: optional(orNull(priority), 'Highest nice priority that processes may set.', limitNote),
    priority: optional(orNull(priority), 'Priority that processes run with.', limitNote),
    rtprio: optional(orNull(z.int().min(0).max(99)), 'Highest realtime priority of processes.', limitNote),
    ...Object.fromEntries(
      otherLimits.map((name) => [name, optional(orNull(limit), `The limit \`${name}\` of limits.conf.`, limitNote)]),
    ),
  })

export const opsworks_initial_setup = () =>
  group(
    'Settings of the platform for a new host.',
    {
      ephemeral_mount_point: field(
        orNull(path()),
        null,
        'Directory that the data of the platform lies below, such as /mnt: the defaults of `filestorage_dir`, `data_dir` and the like begin with it.',
      ),
      sysctl: field(
        orNull(z.record(sysctlKey, orNull(sysctlValue))),
        null,
        'Kernel settings of the host, laid over those of the platform; the role base sets them. `{}` is for those of the platform alone, null for none.',
      ),
      limits: field(
        orNull(limits()),
        null,
        'Limits of logins and their processes, as in limits.conf(5), laid over `nofile` 65536 of the platform. `{}` is for that alone, null for none.',
      ),
    },
    { cookbook: 'opsworks_initial_setup', open: true },
  )

/** Where converge and the cookbook put data without a mount point, by attribute. */
const belowMountPoint = {
  plone_zeoserver: { filestorage_dir: '/shared/zodb/filestorage' },
  plone_solr: { data_dir: '/shared/solr' },
  plone_blobs: { gluster_export_dir: '/gluster-exports' },
  redis: { config: { dir: '/redis', vm: { vm_swap_file: '/redis/redis.swap' } } },
} as const

/** Mount points that the platform used; data may lie below one that the attributes do not name. */
const mountPoints = ['/mnt', '/media/ephemeral0'] as const

/** @param attributes the merged values of all layers */
export function platformDefaults(attributes: JsonObject): JsonObject | null {
  const setup = attributes.opsworks_initial_setup
  const mount = isObject(setup) ? setup.ephemeral_mount_point : undefined
  if (typeof mount !== 'string' || !/^\/[^\r\n\0]*[^/]/.test(mount)) return null
  return below(mount.replace(/\/+$/, ''), belowMountPoint)
}

function below(mount: string, tree: object): JsonObject {
  const entries = Object.entries(tree).map(([key, value]) => [
    key,
    typeof value === 'string' ? `${mount}${value}` : below(mount, value as object),
  ])
  return Object.fromEntries(entries) as JsonObject
}

/** All directories in which the platform, or an earlier version of converge, may have put this data. */
export function platformPaths(mount: string | null, path: '/shared/zodb/filestorage' | '/shared/solr'): string[] {
  return [
    ...new Set([...(mount === null ? [] : [mount]), '', ...mountPoints].map((mountPoint) => `${mountPoint}${path}`)),
  ]
}

/** Defines the attributes of the setup by the platform, and the defaults that follow from its mount point. */
import { isObject, type JsonObject } from '../core/node/merge.ts'
import { field, group, orNull } from './fields.ts'
import { path } from './texts.ts'

export const opsworks_initial_setup = () =>
  group(
    'Settings of the platform for a new host.',
    {
      ephemeral_mount_point: field(
        orNull(path()),
        null,
        'Directory that the data of the platform lies below, such as /mnt: the defaults of `filestorage_dir`, `data_dir` and the like begin with it.',
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

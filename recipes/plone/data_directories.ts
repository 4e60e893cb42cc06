/** Locates the database and the index of a host: from the attributes, or from an earlier version's layout. */
import { platformPaths } from '../../attributes/opsworks_initial_setup.ts'
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { data_location, dataLocationsOf } from '../../resources/files/data_location.ts'
import { directory } from '../../resources/files/directory.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'

interface DataDirectory {
  readonly what: string
  readonly attribute: string
  /** Directory from the attribute. */
  readonly path: string
  /** Link below `shared` to the directory. */
  readonly link: string
  readonly file?: string
  readonly platform: '/shared/zodb/filestorage' | '/shared/solr'
}

function databaseDirectory(node: SiteNode, app: BuildoutApp): DataDirectory | null {
  const { filestorage_dir } = node.plone_zeoserver
  if (!filestorage_dir) return null
  return {
    what: 'database',
    attribute: 'plone_zeoserver.filestorage_dir',
    path: underPrefix(node, filestorage_dir),
    link: `${app.shared}/var/filestorage`,
    file: 'Data.fs',
    platform: '/shared/zodb/filestorage',
  }
}

function solrIndexDirectory(node: SiteNode, app: BuildoutApp): DataDirectory {
  return {
    what: 'Solr index',
    attribute: 'plone_solr.data_dir',
    path: underPrefix(node, node.plone_solr.data_dir),
    link: `${app.shared}/var`,
    platform: '/shared/solr',
  }
}

/**
 * Declares a resource that refuses a second database, and what depends on the directory of the database: null for
 * `shared/var`.
 */
export function givenDatabaseDirectory(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  declare: (directory: string | null) => void,
): void {
  const location = databaseDirectory(node, app)
  if (location === null) return declare(null)
  const others = otherDirectories(node, location)
  r.given(dataLocationsOf({ ...location, others }), ({ linked }) => {
    if (linked !== null) warnOfKept(r, node, location, linked)
    const path = linked ?? location.path
    refuseOtherData(r, node, location, path, [location.path, ...others])
    declare(path)
  })
}

/**
 * Declares the whole `var` of Solr's app as a link to `plone_solr.data_dir`. An index that an earlier version has put
 * into `var` itself stays there.
 */
export function indexDirectory(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, guard: CommonOptions): void {
  const location = solrIndexDirectory(node, app)
  const others = otherDirectories(node, location)
  r.given(dataLocationsOf({ ...location, others }), ({ contentOfLink, isAtPath }) => {
    if (contentOfLink === 'data' && !isAtPath) {
      warnOfAttribute(r, node, {
        attribute: location.attribute.split('.'),
        message: `the Solr index is in ${location.link}, so ${location.attribute} has no effect`,
        hint: `stop Solr and run: mv ${location.link} ${location.path}`,
      })
      return
    }
    const isOwn = contentOfLink !== 'nothing'
    refuseOtherData(r, node, location, location.path, [...(isOwn ? [location.link] : []), ...others])
    if (contentOfLink === 'directory') directory(r, { path: location.link, absent: true, ...guard })
    directory(r, { path: location.path, parents: true, mode: '0770', ...app.owner, ...guard })
    symlink(r, { path: location.link, target: location.path, ...app.owner, ...guard })
  })
}

/** Returns other possible directories of the data; none if the attribute is set. */
function otherDirectories(node: SiteNode, { attribute, path, platform }: DataDirectory): string[] {
  if (node.isGiven(attribute)) return []
  const mount = node.opsworks_initial_setup.ephemeral_mount_point
  return platformPaths(mount, platform)
    .map((one) => underPrefix(node, one))
    .filter((one) => one !== path)
}

/** Declares a resource that refuses data in another directory than the run uses. */
function refuseOtherData(
  r: Recipe<SiteNode>,
  node: SiteNode,
  location: DataDirectory,
  path: string,
  paths: readonly string[],
): void {
  const others = paths.filter((one) => one !== path)
  const { what, attribute, file, link } = location
  if (others.length === 0) return
  // Without a mount point in the attributes, no data is expected elsewhere.
  const settled = node.opsworks_initial_setup.ephemeral_mount_point === null ? { link } : {}
  r.unlessDeclared('data_location', attribute, () => {
    data_location(r, { what, attribute, path, others, ...omitUndefined({ file }), ...settled })
  })
}

/** Warns that data stays in its earlier directory, found by the mount point because the attribute is not set. */
function warnOfKept(
  r: Recipe<SiteNode>,
  node: SiteNode,
  { what, attribute, path }: DataDirectory,
  keptPath: string,
): void {
  warnOfAttribute(r, node, {
    attribute: ['opsworks_initial_setup', 'ephemeral_mount_point'],
    message: `the ${what} stays in ${keptPath}, where an earlier version put it, and not in ${path}`,
    hint: `set ${attribute} to the directory that you want`,
  })
}

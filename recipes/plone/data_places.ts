/** Locates the database and the index of a host: as the attributes say, or where an earlier version has put them. */
import { platformPlaces } from '../../attributes/opsworks_initial_setup.ts'
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { data_location, holdsData } from '../../resources/files/data_location.ts'
import { directory } from '../../resources/files/directory.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'

interface Place {
  readonly what: string
  readonly attribute: string
  /** Directory from the attribute. */
  readonly path: string
  /** Link below `shared` to the directory. */
  readonly link: string
  readonly file?: string
  readonly platform: '/shared/zodb/filestorage' | '/shared/solr'
}

function databasePlace(node: SiteNode, app: BuildoutApp): Place | null {
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

function indexPlace(node: SiteNode, app: BuildoutApp): Place {
  return {
    what: 'Solr index',
    attribute: 'plone_solr.data_dir',
    path: underPrefix(node, node.plone_solr.data_dir),
    link: `${app.shared}/var`,
    platform: '/shared/solr',
  }
}

/** Returns the directory of the database, null for `shared/var`; declares a resource that refuses a second database. */
export function databaseDirectory(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): string | null {
  const place = databasePlace(node, app)
  if (place === null) return null
  const others = otherPlaces(node, place)
  const kept = others.find((one) => linkLeadsTo(node.run.host, place.link, one) && isOnlyOne(node.run.host, place, one))
  if (kept !== undefined) warnOfKept(r, node, place, kept)
  const path = kept ?? place.path
  declare(r, node, place, path, [place.path, ...others])
  return path
}

/**
 * Declares the whole `var` of Solr's app as a link to `plone_solr.data_dir`. An index that an earlier version has put
 * into `var` itself stays there.
 */
export function indexDirectory(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, guard: CommonOptions): void {
  const place = indexPlace(node, app)
  const { host } = node.run
  const isOwn = host?.lstat(place.link)?.kind === 'directory'
  const keeps = isOwn && holdsData(host, place.link)
  if (keeps && !holdsData(host, place.path)) {
    warnOfAttribute(r, node, {
      attribute: place.attribute.split('.'),
      message: `the Solr index is in ${place.link}, so ${place.attribute} has no effect`,
      hint: `stop Solr and run: mv ${place.link} ${place.path}`,
    })
    return
  }
  const others = [...(isOwn ? [place.link] : []), ...otherPlaces(node, place)]
  declare(r, node, place, place.path, others)
  if (isOwn && !keeps) directory(r, { path: place.link, absent: true, ...guard })
  directory(r, { path: place.path, parents: true, mode: '0770', ...app.owner, ...guard })
  symlink(r, { path: place.link, target: place.path, ...app.owner, ...guard })
}

/** Returns other possible directories of the data; none if the attribute is set. */
function otherPlaces(node: SiteNode, { attribute, path, platform }: Place): string[] {
  if (node.isGiven(attribute)) return []
  const mount = node.opsworks_initial_setup.ephemeral_mount_point
  return platformPlaces(mount, platform)
    .map((one) => underPrefix(node, one))
    .filter((one) => one !== path)
}

function declare(r: Recipe<SiteNode>, node: SiteNode, place: Place, path: string, all: readonly string[]): void {
  const others = all.filter((one) => one !== path)
  const { what, attribute, file, link } = place
  if (others.length === 0 || r.has('data_location', attribute)) return
  // Without a mount point in the attributes, no data is expected elsewhere.
  const settled = node.opsworks_initial_setup.ephemeral_mount_point === null ? { link } : {}
  data_location(r, { what, attribute, path, others, ...(file === undefined ? {} : { file }), ...settled })
}

function linkLeadsTo(host: HostReader | null, link: string, path: string): boolean {
  return host?.lstat(link)?.kind === 'link' && host.readLink(link) === path
}

function isOnlyOne(host: HostReader | null, { path, file }: Place, other: string): boolean {
  return host !== null && holdsData(host, other, file) && !holdsData(host, path, file)
}

/** Warns that data stays in its earlier directory, found by the mount point because the attribute is not set. */
function warnOfKept(r: Recipe<SiteNode>, node: SiteNode, { what, attribute, path }: Place, kept: string): void {
  warnOfAttribute(r, node, {
    attribute: ['opsworks_initial_setup', 'ephemeral_mount_point'],
    message: `the ${what} stays in ${kept}, where an earlier version put it, and not in ${path}`,
    hint: `set ${attribute} to the directory that you want`,
  })
}

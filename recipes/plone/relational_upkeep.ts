/** Decides whether the clients of a host pack and back up the SQL database of RelStorage. */
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'

/** Decides whether this host packs the database of the app: it has the role relstorage-pack. */
export function packsRelstorage({ plone_instances }: SiteNode, { role }: Pick<BuildoutApp, 'role'>): boolean {
  const { enable_relstorage, relstorage } = plone_instances
  return role === 'zeo-client' && enable_relstorage && relstorage.enable_pack
}

/** Returns the directory of the backups of RelStorage. */
export function sqlBackupDirectory({ plone_instances }: SiteNode, { shared }: Pick<BuildoutApp, 'shared'>): string {
  return plone_instances.relstorage.backup.directory ?? `${shared}/var/backups`
}

/** Defines the role relstorage-pack, for the one host that packs the database. */
import { role } from '../../core/compile/role.ts'
import { relstorageEvents } from '../plone/upkeep.ts'
import zeoClient from '../zeo_client/role.ts'

export default role('relstorage-pack', {
  doc: 'Beside zeo-client, on one host only: packs a RelStorage database, and backs it up',
  attributes: { plone_instances: { relstorage: { enable_pack: true } } },
  events: relstorageEvents(),
  extends: zeoClient,
})

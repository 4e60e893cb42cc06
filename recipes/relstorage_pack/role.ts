/** Defines the role relstorage-pack, for the one host that packs the database. */
import { role } from '../../core/compile/role.ts'
import zeoClient from '../zeo_client/role.ts'

export default role('relstorage-pack', {
  doc: 'Beside zeo-client, on one host only: builds the scripts that pack a RelStorage database',
  attributes: { plone_instances: { relstorage: { enable_pack: true } } },
  extends: zeoClient,
})

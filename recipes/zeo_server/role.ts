/** Defines the role zeo-server: the ZEO server, its packing and its backups. */
import { buildoutRole } from '../plone/role.ts'

export default buildoutRole('zeo-server', 'The ZEO server, with its packing and backup jobs, from a buildout in git')

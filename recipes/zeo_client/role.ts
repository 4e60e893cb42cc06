/** The role zeo-client: as many Zope clients as the host has CPUs for, from the site's buildout. */
import { buildoutRole } from '../plone/role.ts'

export default buildoutRole('zeo-client', 'Zope clients of a ZEO server (or of RelStorage), from a buildout in git', {
  sharesData: true,
})

/** Defines the role zeo-client: Zope clients from the site's buildout, in a number that depends on the host's CPUs. */
import { buildoutRole } from '../plone/role.ts'

export default buildoutRole('zeo-client', 'Zope clients of a ZEO server (or of RelStorage), from a buildout in git', {
  sharesData: true,
})

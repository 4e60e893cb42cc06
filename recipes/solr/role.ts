/** Defines the role solr: the search server that the site's buildout installs. */
import { buildoutRole } from '../plone/role.ts'

export default buildoutRole('solr', 'The Solr server of a site, from a buildout in git')

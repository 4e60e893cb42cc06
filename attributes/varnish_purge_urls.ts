/** Defines the attribute with the pages that an operator bans manually. */
import { field } from './fields.ts'
import { textList } from './values.ts'

export const varnish_purge_urls = () =>
  field(
    textList(),
    [],
    'Regular expressions of the URLs in Varnish that the event `ban` bans when it is run by hand; empty for all pages of the site.',
    { mirrors: "plone_buildout: node['varnish_purge_urls']" },
  )

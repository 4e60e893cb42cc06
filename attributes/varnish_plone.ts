/** Defines the attributes of the cache of the front end: how long it keeps pages, and whether a deploy bans them. */
import { field, group } from './fields.ts'
import { flag, number } from './values.ts'

export const varnish_plone = () =>
  group(
    'Settings of the Varnish configuration of the front end.',
    {
      grace: field(number(0), 60, 'How long a page may be served after it has expired, while a fresh one is fetched.', {
        unit: 'seconds',
      }),
      default_ttl: field(number(0), 300, 'How long a page is kept that says nothing about it.', { unit: 'seconds' }),
      ban_on_deploy: field(
        flag(),
        false,
        'Bans the cached pages of the site after a deploy or rollback has switched its clients to another release. A stack bans once, after the last host. Pages of other sites stay cached.',
        { mirrors: 'varnishadm ban' },
      ),
    },
    { cookbook: 'plone_buildout' },
  )

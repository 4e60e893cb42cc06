/** Restores the persistent caches of a Zope release after a run was killed during a migration. */
import * as z from 'zod'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { clientsWithoutCache, restoreCaches } from './temporary_cache.ts'

export const zope_cache = defineResource(
  {
    type: 'zope_cache',
    doc: 'Gives the Zope configurations of a release back the ZEO caches that a killed migration took out of them.',
    examples: [{ release: '/srv/www/site/releases/000042-1a2b3c4d' }],
    reach: 'paths',
    key: ({ release }) => release,
    props: z.strictObject({ release: absolutePath.describe('Directory of the release, as git_release gives it') }),
    state: z.strictObject({
      /** Parts of the buildout whose configuration lacks its cache. */
      without: z.array(z.string()),
    }),
  },
  {
    read: (host, { release }) => ({ without: clientsWithoutCache(host, release) }),
    desired: () => ({ without: [] }),
    apply: (host, { release }) => restoreCaches(host, release),
    words: (_, { now }) => `restore zope.conf of ${now.without.join(', ')}`,
  },
)

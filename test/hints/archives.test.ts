/** Proves the hints about archives: triggers each on an in-memory host, then follows it. */
import t from 'tap'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { archivePrograms, packed, programs } from '../support/commands.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const commands = programs(archivePrograms)
const url = 'https://example.org/eggs.tgz'
const content = packed({ 'a.egg': 'A' })
const host = { downloads: { [url]: content } }
const declare =
  (more: object = {}): Declare =>
  (r) =>
    archive(r, { url, into: '/srv/eggs', ...more })

t.test('the hints about archives work', async (t) => {
  const source = 'resources/files/archive.ts'
  const noFile = 'correct the url, or copy the archive to /srv/eggs.tgz'
  proveResources(t, [
    {
      source,
      hint: 'set into to the directory that the link points to',
      commands,
      host,
      given: (host) => host.given('/mnt/eggs', null).given('/srv/eggs', { link: '/mnt/eggs' }),
      broken: declare(),
      repaired: declare({ into: '/mnt/eggs' }),
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/eggs /srv/eggs.old',
      commands,
      host,
      given: (host) => host.given('/srv/eggs', 'x'),
      broken: declare(),
      repair: (host) => host.rename('/srv/eggs', '/srv/eggs.old'),
    },
    {
      source,
      hint: 'declare /srv/site with directory() before the archive',
      commands,
      host,
      broken: declare({ into: '/srv/site/eggs' }),
      repaired(r) {
        directory(r, { path: '/srv/site' })
        declare({ into: '/srv/site/eggs' })(r)
      },
    },
    {
      source,
      hint: noFile,
      commands,
      host,
      broken: declare({ url: '/srv/eggs.tgz' }),
      repair: (host) => host.given('/srv/eggs.tgz', content),
    },
    { source, hint: noFile, commands, host, broken: declare({ url: '/srv/eggs.tgz' }), repaired: declare() },
  ])
})

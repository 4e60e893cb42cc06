/** Proves the hints about data at another location than the attributes declare: triggers each, then follows it. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { data_location } from '../../resources/files/data_location.ts'
import { failureOf, planOf, run } from '../support/contract.ts'
import { proveCalls } from '../support/proofs.ts'

const [mount, former] = ['/mnt/shared/filestorage', '/shared/filestorage']

async function located(host: VirtualHost, path: string, others: readonly string[]): Promise<void> {
  const given = { what: 'database', file: 'Data.fs', attribute: 'plone_zeoserver.filestorage_dir' }
  const report = await run(
    planOf((r) => data_location(r, { ...given, path, others: [...others] })),
    host,
  )
  const failure = failureOf(report) as { message: string; code: string; hint: string } | undefined
  if (failure) throw new ConvergeError(failure.message, failure)
}

t.test('the hints about a database work', async (t) => {
  const source = 'resources/files/data_location.ts'
  const at = (...paths: readonly string[]) => {
    const host = new VirtualHost()
    for (const path of paths) host.given(`${path}/Data.fs`, 'data')
    return host
  }
  const both = at(mount, former)
  const one = at(former)
  proveCalls(t, [
    {
      source,
      hint: `find out which one is the site's: to use /shared/filestorage, set plone_zeoserver.filestorage_dir to it; to use /mnt/shared/filestorage, set plone_zeoserver.filestorage_dir to /mnt/shared/filestorage`,
      broken: () => located(both, mount, [former]),
      // A directory that an attribute sets is not compared with any other.
      repaired: () => located(both, former, []),
    },
    {
      source,
      hint: 'set plone_zeoserver.filestorage_dir to /shared/filestorage, or stop what uses it and move it: mv /shared/filestorage /mnt/shared/filestorage',
      broken: () => located(one, mount, [former]),
      repaired: () => {
        one.given(`${mount}/Data.fs`, 'data')
        one.remove(`${former}/Data.fs`)
        return located(one, mount, [former])
      },
    },
  ])
})

/** Tests the record that an app was stopped on purpose. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { intendedStop, stop_record } from '../../../resources/services/stop_record.ts'
import { contract, planOf, run } from '../../support/contract.ts'

function recorded(value: string) {
  const base = new VirtualHost()
  base.record('stopped site', value)
  return { base }
}

const bob = recorded('{"by":"bob@web1","at":"2026-01-01T00:00:00Z"}')

t.test('fulfils the contract of resources', (t) =>
  contract(t, stop_record, [
    {
      name: 'records that an app is stopped',
      props: { app: 'site', by: 'alice@web1' },
      changes: ['replace /stopped = true'],
      then: (t, host) => t.equal(intendedStop(host, 'site')?.by, 'alice@web1'),
    },
    {
      name: 'a second stop keeps the first record',
      props: { app: 'site', by: 'alice@web1' },
      host: bob,
      changes: [],
      then: (t, host) => t.strictSame(intendedStop(host, 'site'), { by: 'bob@web1', at: '2026-01-01T00:00:00Z' }),
    },
    {
      name: 'removes the record at a start',
      props: { app: 'site', stopped: false },
      host: bob,
      changes: ['replace /stopped = false'],
      then: (t, host) => t.equal(intendedStop(host, 'site'), null),
    },
    { name: 'does nothing at a start without a record', props: { app: 'site', stopped: false }, changes: [] },
    {
      name: 'replaces a damaged record',
      props: { app: 'site', by: 'alice@web1' },
      host: recorded('{"by":'),
      changes: ['replace /stopped = true'],
    },
  ]),
)

t.test('another app has a record of its own', async (t) => {
  const host = new VirtualHost()
  await run(
    planOf((r) => stop_record(r, { app: 'site', by: 'alice@web1' })),
    host,
  )
  t.equal(intendedStop(host, 'shop'), null)
  t.match(intendedStop(host, 'site')?.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

/** Tests the record that a site was closed for maintenance. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { maintenance_record, maintenanceRecord } from '../../../resources/services/maintenance_record.ts'
import { contract, planOf, run } from '../../support/contract.ts'

function recorded(value: string) {
  const base = new VirtualHost()
  base.record('closed site', value)
  return { base }
}

const bob = recorded('{"by":"bob@web1","at":"2026-01-01T00:00:00Z"}')

t.test('fulfils the contract of resources', (t) =>
  contract(t, maintenance_record, [
    {
      name: 'records that a site is closed',
      props: { app: 'site', by: 'alice@web1' },
      changes: ['replace /closed = true'],
      then: (t, host) => t.equal(maintenanceRecord(host, 'site')?.by, 'alice@web1'),
    },
    {
      name: 'closing it again keeps the first record',
      props: { app: 'site', by: 'alice@web1' },
      host: bob,
      changes: [],
      then: (t, host) => t.strictSame(maintenanceRecord(host, 'site'), { by: 'bob@web1', at: '2026-01-01T00:00:00Z' }),
    },
    {
      name: 'opening it removes the record',
      props: { app: 'site', closed: false },
      host: bob,
      changes: ['replace /closed = false'],
      then: (t, host) => t.equal(maintenanceRecord(host, 'site'), null),
    },
    { name: 'does nothing if an open site has no record', props: { app: 'site', closed: false }, changes: [] },
    {
      name: 'replaces a damaged record',
      props: { app: 'site', by: 'alice@web1' },
      host: recorded('{"by":'),
      changes: ['replace /closed = true'],
    },
  ]),
)

t.test('another app has a record of its own', async (t) => {
  const host = new VirtualHost()
  await run(
    planOf((r) => maintenance_record(r, { app: 'site', by: 'alice@web1' })),
    host,
  )
  t.equal(maintenanceRecord(host, 'shop'), null)
  t.match(maintenanceRecord(host, 'site')?.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

/** Tests the table of deployments. */
import picocolors from 'picocolors'
import t from 'tap'
import { deploymentsTable } from '../../../../core/fleet/screen/history.ts'
import type { RolloutReport } from '../../../../core/fleet/types.ts'
import { hostReport, rolloutReport } from '../../../support/screen.ts'

t.test('a failed health check does not count the hosts as ok', (t) => {
  const paint = picocolors.createColors(false)
  const hosts = [hostReport('a'), hostReport('b'), hostReport('c')]
  const row = (more: Partial<RolloutReport>) =>
    deploymentsTable([{ ...rolloutReport(hosts), ...more, id: '000001' }], Number.POSITIVE_INFINITY, paint)[1]
  t.match(row({}), /changed {2}3 ok/)
  const stopped = 'the site does not answer as it should: http://site/: status 502'
  t.match(row({ action: 'setup', outcome: 'failed', stopped }), /failed {3}3 done, health check failed/)
  const left = [hostReport('a'), hostReport('b', { outcome: 'untouched' })]
  t.match(row({ outcome: 'failed', stopped, hosts: left }), /1 done, 1 not done, health check failed/)
  const failed = [hostReport('a'), hostReport('b', { outcome: 'failed' })]
  t.match(row({ outcome: 'failed', hosts: failed }), /failed {3}1 ok, 1 failed/)
  t.end()
})

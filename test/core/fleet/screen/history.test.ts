/** Tests the table of deployments, and the description of one deployment. */
import picocolors from 'picocolors'
import t from 'tap'
import { deploymentsTable, describeDeployment } from '../../../../core/fleet/screen/history.ts'
import type { RolloutReport } from '../../../../core/fleet/types.ts'
import { hostReport, rolloutReport } from '../../../support/screen.ts'

const paint = picocolors.createColors(false)

/** Returns the row of a deployment in the table. */
function row(more: Partial<RolloutReport>, hosts: RolloutReport['hosts'] = []): string | undefined {
  return deploymentsTable([{ ...rolloutReport(hosts), ...more, id: '000001' }], Number.POSITIVE_INFINITY, paint)[1]
}

t.test('a failed health check does not count the hosts as ok', (t) => {
  const hosts = [hostReport('a'), hostReport('b'), hostReport('c')]
  t.match(row({}, hosts), /changed {2}3 ok/)
  const stopped = 'the health check failed: http://site/: status 502'
  t.match(row({ action: 'setup', outcome: 'failed', stopped }, hosts), /failed {3}3 done, health check failed/)
  const withUntouchedHost = [hostReport('a'), hostReport('b', { outcome: 'untouched' })]
  t.match(row({ outcome: 'failed', stopped, hosts: withUntouchedHost }), /1 done, 1 not done, health check failed/)
  const withFailedHost = [hostReport('a'), hostReport('b', { outcome: 'failed' })]
  t.match(row({ outcome: 'failed', hosts: withFailedHost }), /failed {3}1 ok, 1 failed/)
  t.end()
})

t.test('displays the commits of a rollback', (t) => {
  const commit = (digit: string) => digit.repeat(40)
  const moveTo = (digit: string) => ({ app: 'shop', from: null, to: { release: '000001', commit: commit(digit) } })
  const a = hostReport('a', { moves: [moveTo('1')] })
  const b = hostReport('b', { moves: [moveTo('2')] })
  t.match(row({ action: 'rollback', commits: {}, hosts: [a, a] }), /shop 1{7,12} {2}/)
  t.match(row({ action: 'rollback', commits: {}, hosts: [a, b] }), /shop 1+, shop 2+ /)
  t.match(row({ commits: { shop: commit('3') }, hosts: [a] }), /shop 3+ {2}/, 'the commits of a deploy')
  t.end()
})

t.test('displays the warnings of hosts', (t) => {
  const hostWarnings = [{ message: 'port 80 is taken', hosts: ['a', 'b'] }]
  const deployment = { ...rolloutReport([hostReport('a'), hostReport('b')]), hostWarnings, id: '000001' }
  const options = { now: new Date(), verbose: false, paint, stackOptions: '' }
  for (const outcome of ['changed', 'died'] as const) {
    const text = describeDeployment({ ...deployment, outcome }, options).join('\n')
    t.equal(text.split('port 80 is taken').length, 2, text)
    t.match(text, /a, b/)
  }
  t.end()
})

/** Tests the table of deployments, and the description of one. */
import picocolors from 'picocolors'
import t from 'tap'
import { deploymentsTable, describeDeployment } from '../../../../core/fleet/screen/history.ts'
import type { RolloutReport } from '../../../../core/fleet/types.ts'
import { hostReport, rolloutReport } from '../../../support/screen.ts'

t.test('a failed health check does not count the hosts as ok', (t) => {
  const paint = picocolors.createColors(false)
  const hosts = [hostReport('a'), hostReport('b'), hostReport('c')]
  const row = (more: Partial<RolloutReport>) =>
    deploymentsTable([{ ...rolloutReport(hosts), ...more, id: '000001' }], Number.POSITIVE_INFINITY, paint)[1]
  t.match(row({}), /changed {2}3 ok/)
  const stopped = 'the health check failed: http://site/: status 502'
  t.match(row({ action: 'setup', outcome: 'failed', stopped }), /failed {3}3 done, health check failed/)
  const left = [hostReport('a'), hostReport('b', { outcome: 'untouched' })]
  t.match(row({ outcome: 'failed', stopped, hosts: left }), /1 done, 1 not done, health check failed/)
  const failed = [hostReport('a'), hostReport('b', { outcome: 'failed' })]
  t.match(row({ outcome: 'failed', hosts: failed }), /failed {3}1 ok, 1 failed/)
  t.end()
})

t.test('displays the commits of a rollback', (t) => {
  const paint = picocolors.createColors(false)
  const commit = (digit: string) => digit.repeat(40)
  const to = (digit: string) => ({ app: 'shop', from: null, to: { release: '000001', commit: commit(digit) } })
  const row = (more: Partial<RolloutReport>) =>
    deploymentsTable([{ ...rolloutReport([]), ...more, id: '000001' }], Number.POSITIVE_INFINITY, paint)[1]
  const [a, b] = [hostReport('a', { moves: [to('1')] }), hostReport('b', { moves: [to('2')] })]
  t.match(row({ action: 'rollback', commits: {}, hosts: [a, a] }), /shop 1{7,12} {2}/)
  t.match(row({ action: 'rollback', commits: {}, hosts: [a, b] }), /shop 1+, shop 2+ /)
  t.match(row({ commits: { shop: commit('3') }, hosts: [a] }), /shop 3+ {2}/, 'those of a deploy')
  t.end()
})

t.test('displays the warnings of hosts', (t) => {
  const hostWarnings = [{ message: 'port 80 is taken', hosts: ['a', 'b'] }]
  const one = { ...rolloutReport([hostReport('a'), hostReport('b')]), hostWarnings, id: '000001' }
  const how = { now: new Date(), verbose: false, paint: picocolors.createColors(false), stackOptions: '' }
  for (const outcome of ['changed', 'died'] as const) {
    const text = describeDeployment({ ...one, outcome }, how).join('\n')
    t.equal(text.split('port 80 is taken').length, 2, text)
    t.match(text, /a, b/)
  }
  t.end()
})

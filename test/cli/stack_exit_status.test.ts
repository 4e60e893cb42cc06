/** Tests the exit status of a rollout for each kind of report. */
import t from 'tap'
import { exitStatusOf } from '../../core/cli/stack/rollout_exit_status.ts'
import type { HostReport, RolloutReport } from '../../core/fleet/types.ts'

const host = (outcome: HostReport['outcome'], code?: string) =>
  ({ host: 'web1', outcome, ...(code ? { failure: { code, message: code } } : {}) }) as HostReport

const report = (outcome: RolloutReport['outcome'], hosts: readonly HostReport[], action: RolloutReport['action']) =>
  ({ outcome, action, hosts }) as RolloutReport

t.test('a rollback to a release that no host has is wrong usage if no host was touched', async (t) => {
  const missing = host('failed', 'NO_SUCH_RELEASE')
  const rollback = (hosts: readonly HostReport[], to?: string) =>
    exitStatusOf(report('failed', hosts, 'rollback'), to === undefined ? {} : { to })
  t.equal(rollback([missing, missing], 'feed'), 2)
  t.equal(rollback([missing, host('untouched')], 'feed'), 2)
  t.equal(rollback([host('failed', 'AMBIGUOUS_RELEASE')], '00000'), 2)
  t.equal(rollback([missing]), 1, 'nothing was named')
  t.equal(rollback([missing, host('changed')], 'feed'), 1)
  t.equal(rollback([missing, host('failed', 'CONNECT_FAILED')], 'feed'), 1)
})

t.test('every other outcome has its exit status', async (t) => {
  t.equal(exitStatusOf(report('failed', [host('failed', 'NO_SUCH_RELEASE')], 'deploy'), { to: 'feed' }), 1)
  t.equal(exitStatusOf(report('interrupted', [], 'rollback'), { to: 'feed' }), 1)
  t.equal(exitStatusOf(report('changed', [host('changed')], 'rollback'), { to: 'feed' }), 0)
  t.equal(exitStatusOf(report('changed', [host('changed')], 'deploy'), { detailedExitCode: true }), 3)
  t.equal(exitStatusOf(report('unchanged', [host('skipped')], 'status'), {}), 1)
})

/** Tests who holds the lock of a rollout, as a host reports it. */
import * as fs from 'node:fs'
import t from 'tap'
import { rolloutLock } from '../../../core/host/rollout_lock.ts'

t.test('the lock of a rollout has a holder while its operator gives a sign', async (t) => {
  const state = t.testdir({ fleet: {} })
  t.equal(rolloutLock(state), null)
  const lock = `${state}/fleet/held`
  fs.mkdirSync(lock)
  t.equal(rolloutLock(state), null, 'no owner yet')
  const holder = 'jane@desk since 2026-11-29T14:03:22.000Z (deployment 12: prices, new)'
  fs.writeFileSync(`${lock}/owner`, `17\ndeploy-1-x/web1\n${holder}, converge stack deploy-1-x\n`)
  t.equal(rolloutLock(state), holder)
  const before = new Date(Date.now() - 120_000)
  fs.utimesSync(lock, before, before)
  t.equal(rolloutLock(state), null, 'the process of the operator has ended')
})

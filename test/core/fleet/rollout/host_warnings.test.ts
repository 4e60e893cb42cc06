/** Tests what hosts report during a rollout: each warning once, and what a step waits for. */
import t from 'tap'
import { RolloutProgress } from '../../../../core/fleet/rollout/state/progress.ts'
import type { FleetEvent } from '../../../../core/fleet/types.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { Simulation } from './simulated.ts'

t.test('reports a warning once, with all hosts that reported it', (t) => {
  const events: FleetEvent[] = []
  const progress = new RolloutProgress(
    ['a', 'b', 'c'],
    (event) => void events.push(event),
    () => 0,
  )
  for (const host of ['a', 'b', 'a', 'c']) progress.addHostWarning(host, 'stack.yaml:3:5: no_such_key is not known')
  progress.addErrorWarning(new ConvergeError('refused', { code: 'CONNECT_FAILED', hint: 'start sshd' }), 'b')
  progress.addWarning('all of them restart at once')
  t.strictSame(progress.hostWarnings(), [
    { message: 'stack.yaml:3:5: no_such_key is not known', hosts: ['a', 'b', 'c'] },
    { message: 'refused; start sshd', hosts: ['b'] },
  ])
  t.strictSame(progress.warnings, ['b: refused; start sshd', 'all of them restart at once'])
  t.strictSame(
    events.map((event) => event.event === 'warning' && event.host),
    ['a', 'b', 'a', 'c', 'b', undefined],
    'the events contain each warning at once',
  )
  t.end()
})

t.test('reports what a step waits for with the step', async (t) => {
  const fleet = new Simulation({ a: { progress: ['', '  x waits until y is back\n'] } })
  await fleet.go({ action: 'configure' })
  t.strictSame(
    fleet.emitted.filter((event) => event.event === 'host' && event.step !== undefined),
    [undefined, 'x waits until y is back'].map((detail) => ({
      event: 'host',
      host: 'a',
      phase: 'configure',
      step: 'file /x',
      ...(detail === undefined ? {} : { detail }),
    })),
  )
})

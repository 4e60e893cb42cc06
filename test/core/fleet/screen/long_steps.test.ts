/** Tests the lines that report a long step where output is no terminal, and which progress lines reach them. */
import t from 'tap'
import { StepDetail } from '../../../../core/fleet/rollout/hosts/host_runner.ts'
import { HostStates } from '../../../../core/fleet/screen/host_states.ts'
import { LongSteps } from '../../../../core/fleet/screen/long_steps.ts'

const step = 'service_restart site'
const waitDetail = 'site/a-1 waits until site/b-1 is back'
const stepEvent = (detail?: string) => ({ event: 'host' as const, host: 'a', phase: 'switch' as const, step, detail })

t.test('reports a step that waits, once for each reason', async (t) => {
  const states = new HostStates()
  const longSteps = new LongSteps()
  states.apply(stepEvent(), 0)
  states.apply(stepEvent(waitDetail), 1000)
  t.strictSame(longSteps.lines(states.rows, 9000), [])
  t.strictSame(longSteps.lines(states.rows, 10_000), [`a: switch: still at ${step}: ${waitDetail}`])
  t.strictSame(longSteps.lines(states.rows, 60_000), [], 'once')
  states.apply(stepEvent('draining site/a-1'), 60_000)
  t.strictSame(longSteps.lines(states.rows, 61_000), [])
  t.strictSame(longSteps.lines(states.rows, 70_000), [`a: switch: still at ${step}: draining site/a-1`])
  states.apply({ event: 'done', host: 'a', phase: 'switch', outcome: 'changed', durationMs: 1 }, 71_000)
  t.strictSame(longSteps.lines(states.rows, 99_000), [])
})

t.test('names only the hosts that have not answered while hosts connect', async (t) => {
  const states = new HostStates()
  const longSteps = new LongSteps()
  states.apply({ event: 'phase', phase: 'connect', hosts: ['a', 'b'] }, 0)
  for (const host of ['a', 'b']) states.apply({ event: 'host', host, phase: 'connect' }, 0)
  states.apply({ event: 'connection', host: 'a', state: 'open' }, 300)
  t.strictSame(longSteps.lines(states.rows, 12_000), ['b: connect: still at it'])
  t.equal(states.describeStage(12_000), 'connect: 1 of 2 done')
  t.equal(states.row('a')?.state, 'waiting')
})

t.test('reports a build that prints all the time once', async (t) => {
  const states = new HostStates()
  const longSteps = new LongSteps()
  const messages: string[] = []
  for (let now = 0; now < 120_000; now += 1000) {
    states.apply(stepEvent(`Getting distribution ${now}`), now)
    messages.push(...longSteps.lines(states.rows, now))
  }
  t.strictSame(messages, [`a: switch: still at ${step}: Getting distribution 10000`])
  t.equal(states.row('a')?.stepSince, 0, 'the step has its own time')
})

t.test('passes the first line of a step at once, and then the latest one of each interval', async (t) => {
  const messages: string[] = []
  const detail = new StepDetail((line) => messages.push(line))
  for (const line of ['1', '2', '3']) detail.add(line)
  t.strictSame(messages, ['1'])
  detail.end()
  detail.add('4')
  t.strictSame(messages, ['1', '4'], 'a new step')
  detail.add('5')
  while (messages.length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
  t.strictSame(messages, ['1', '4', '5'])
  detail.add('6')
  detail.end()
})

/** Tests the lines about long steps in a pipe, and the progress lines that they are made from. */
import t from 'tap'
import { StepDetail } from '../../../../core/fleet/rollout/hosts/host_runner.ts'
import { HostStates } from '../../../../core/fleet/screen/host_states.ts'
import { LongSteps } from '../../../../core/fleet/screen/long_steps.ts'

const step = 'service_restart site'
const waits = 'site/a-1 waits until site/b-1 is back'
const at = (detail?: string) => ({ event: 'host' as const, host: 'a', phase: 'switch' as const, step, detail })

t.test('a step that waits is reported with what it waits for, once for each reason', async (t) => {
  const [tally, long] = [new HostStates(), new LongSteps()]
  tally.apply(at(), 0)
  tally.apply(at(waits), 1000)
  t.strictSame(long.lines(tally.rows, 9000), [])
  t.strictSame(long.lines(tally.rows, 10_000), [`a: switch: still at ${step}: ${waits}`])
  t.strictSame(long.lines(tally.rows, 60_000), [], 'once')
  tally.apply(at('draining site/a-1'), 60_000)
  t.strictSame(long.lines(tally.rows, 61_000), [])
  t.strictSame(long.lines(tally.rows, 70_000), [`a: switch: still at ${step}: draining site/a-1`])
  tally.apply({ event: 'done', host: 'a', phase: 'switch', outcome: 'changed', durationMs: 1 }, 71_000)
  t.strictSame(long.lines(tally.rows, 99_000), [])
})

t.test('while hosts connect, only those that have not answered are named', async (t) => {
  const [tally, long] = [new HostStates(), new LongSteps()]
  tally.apply({ event: 'phase', phase: 'connect', hosts: ['a', 'b'] }, 0)
  for (const host of ['a', 'b']) tally.apply({ event: 'host', host, phase: 'connect' }, 0)
  tally.apply({ event: 'connection', host: 'a', state: 'open' }, 300)
  t.strictSame(long.lines(tally.rows, 12_000), ['b: connect: still at it'])
  t.equal(tally.stage(12_000), 'connect: 1 of 2 done')
  t.equal(tally.row('a')?.state, 'waiting')
})

t.test('a build, which prints all the time, is reported once', async (t) => {
  const [tally, long] = [new HostStates(), new LongSteps()]
  const messages: string[] = []
  for (let now = 0; now < 120_000; now += 1000) {
    tally.apply(at(`Getting distribution ${now}`), now)
    messages.push(...long.lines(tally.rows, now))
  }
  t.strictSame(messages, [`a: switch: still at ${step}: Getting distribution 10000`])
  t.equal(tally.row('a')?.stepSince, 0, 'the step has its own time')
})

t.test('of many lines the first passes, then the latest one of each second', async (t) => {
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

/** Tests how long the console reuses the states of hosts, and that it never reuses discarded ones. */
import t from 'tap'
import { HostStates } from '../../../core/console/stack/host_states.ts'
import type { StackCommand } from '../../../core/console/stack/stack_command.ts'

const location = { directory: '/srv', options: ['--stack', 'shop.yaml'] }

/** A command that answers only when the test lets it, with the name of a host. */
function heldCommand() {
  const queries: { answer: (host: string) => void; fail: (error: Error) => void }[] = []
  const command: StackCommand = () =>
    new Promise((resolve, fail) => {
      const failure = { message: 'cannot connect' }
      const answer = (host: string) => resolve(JSON.stringify({ event: 'done', host, failure }))
      queries.push({ answer, fail })
    })
  return { queries, command }
}

function statesAt(clock: { ms: number }) {
  const { queries, command } = heldCommand()
  const states = new HostStates(command, () => new Date(clock.ms))
  const hosts = async () => (await states.statesOf(location)).hosts.map(({ host }) => host)
  return { states, queries, hosts }
}

t.test('requests share an answer for 15 seconds after it has arrived', async (t) => {
  const clock = { ms: 0 }
  const { queries, hosts } = statesAt(clock)
  const [first, second] = [hosts(), hosts()]
  clock.ms = 60_000
  queries[0]?.answer('first')
  t.strictSame(await Promise.all([first, second]), [['first'], ['first']])
  clock.ms += 14_999
  t.strictSame(await hosts(), ['first'])
  clock.ms += 1
  const third = hosts()
  queries[1]?.answer('third')
  t.strictSame(await third, ['third'])
})

t.test('the request after a failed one queries the hosts again', async (t) => {
  const { queries, hosts } = statesAt({ ms: 0 })
  const failed = hosts()
  queries[0]?.fail(new Error('no such stack'))
  await t.rejects(failed, { message: 'no such stack' })
  const next = hosts()
  queries[1]?.answer('next')
  t.strictSame(await next, ['next'])
})

t.test('an answer that arrives after its states were discarded is not reused', async (t) => {
  const { states, queries, hosts } = statesAt({ ms: 0 })
  const discarded = hosts()
  states.discard(location)
  queries[0]?.answer('discarded')
  t.strictSame(await discarded, ['discarded'])
  const next = hosts()
  t.equal(queries.length, 2)
  queries[1]?.answer('next')
  t.strictSame(await next, ['next'])
})

t.test('a discarded query that ends late leaves the next one in place', async (t) => {
  for (const end of ['answer', 'fail'] as const) {
    const { states, queries, hosts } = statesAt({ ms: 0 })
    const discarded = hosts().catch(() => end)
    states.discard(location)
    const next = hosts()
    if (end === 'answer') queries[0]?.answer('discarded')
    else queries[0]?.fail(new Error('too late'))
    await discarded
    queries[1]?.answer('next')
    t.strictSame(await next, ['next'])
    t.strictSame(await hosts(), ['next'], end)
    t.equal(queries.length, 2, end)
  }
})

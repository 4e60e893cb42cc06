/** Tests release_history: which releases were current before. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { release_history } from '../../../resources/releases/release_history.ts'
import { contract } from '../../support/contract.ts'

const into = '/srv/site/releases'
const id = (n: number) => `00000${n}-1a2b3c4d`
const ids = (...numbers: number[]) => numbers.map((n) => `${id(n)}\n`).join('')

/** Makes three complete releases, one of which is current. */
function site(host: VirtualHost, current: number, history: string | null): VirtualHost {
  for (const n of [1, 2, 3]) host.given(`${into}/${id(n)}/.converge/complete`, '')
  host.given('/srv/site/current', { link: `${into}/${id(current)}` })
  return history === null ? host : host.given(`${into}/.history`, history)
}

const props = (n: number, step: 'before' | 'after', from?: number) => ({
  into,
  current: '/srv/site/current',
  release: `${into}/${id(n)}`,
  step,
  ...(from === undefined ? {} : { from: id(from) }),
})

const recorded =
  (...numbers: number[]) =>
  (t: Pick<typeof import('tap').t, 'equal'>, host: VirtualHost) =>
    t.equal(host.readText(`${into}/.history`), numbers.length === 0 ? null : ids(...numbers))

contract(t, release_history, [
  {
    name: 'records a switch',
    props: props(3, 'after', 1),
    given: (host) => site(host, 3, ids(1)),
    changes: ['add /recorded/1'],
    then: recorded(1, 3),
  },
  {
    name: 'records a switch only once',
    props: props(3, 'after', 3),
    given: (host) => site(host, 3, ids(1, 3)),
    changes: [],
    then: recorded(1, 3),
  },
  {
    name: 'records the first release',
    props: props(1, 'after'),
    given: (host) => site(host, 1, null),
    then: recorded(1),
  },
  {
    name: 'without a history, the first switch records the releases before it',
    props: props(3, 'after', 2),
    given: (host) => site(host, 3, null),
    then: recorded(1, 2, 3),
  },
  {
    name: 'records nothing without a switch',
    props: props(2, 'after', 2),
    given: (host) => site(host, 2, null),
    changes: [],
    then: recorded(),
  },
  {
    name: 'a rollback removes later releases',
    props: props(1, 'before', 3),
    given: (host) => site(host, 3, ids(1, 2, 3)),
    changes: ['remove /recorded/2', 'remove /recorded/1'],
    then: recorded(1),
  },
  {
    name: 'removes later releases on a host of an earlier version',
    props: props(2, 'before', 3),
    given: (host) => site(host, 3, null),
    then: recorded(1, 2),
  },
  {
    name: 'a switch forward to a new release removes nothing',
    props: props(3, 'before', 1),
    given: (host) => site(host, 1, ids(1)),
    changes: [],
    then: recorded(1),
  },
])

t.test('reports both releases', async (t) => {
  const words = (given: ReturnType<typeof props>) =>
    release_history.definition.implementation.words?.(given, { now: null, desired: null })
  t.equal(words(props(2, 'before', 3)), `roll back from ${id(3)} to ${id(2)}`)
  t.equal(words(props(3, 'after', 2)), `switch from ${id(2)} to ${id(3)}`)
  t.equal(words(props(1, 'after')), `${id(1)} is the current release`)
})

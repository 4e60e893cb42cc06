/** Tests resources with when: they act once for each change of a cause, and stay due after a failure. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { file } from '../../../resources/files/file.ts'
import { failureOf, planOf, run } from '../../support/contract.ts'
import { type Faults, fault, probe } from '../../support/faulty_resource.ts'

/** Makes a restart of either kind that counts how often it acted. */
function restarter(when: 'gate' | 'cause', fails: (count: number) => boolean = () => false) {
  const acted: number[] = []
  const apply: Faults['apply'] = (count) => {
    if (fails(count)) throw fault()
    acted.push(count)
  }
  return { restart: probe({ when, apply }, 'restart'), acted }
}

for (const kind of ['gate', 'cause'] as const) {
  t.test(`${kind}: acts once for each change of a cause`, async (t) => {
    const { restart, acted } = restarter(kind)
    let turn = 0
    // A gated resource must find a difference each time its gate is open.
    const planFor = (content: string) =>
      planOf((r) => {
        const config = file(r, { path: '/srv/config', content })
        restart(r, { name: 'site', value: kind === 'gate' ? `${++turn}` : 'same', when: [config] })
      })
    const host = new VirtualHost()
    await run(planFor('a'), host)
    t.equal(acted.length, 1)
    t.equal((await run(planFor('a'), host)).outcome, 'unchanged')
    await run(planFor('b'), host)
    t.equal(acted.length, 2)
    await run(planFor('b'), host)
    host.writeFile('/srv/config', 'drifted')
    await run(planFor('b'), host)
    t.equal(acted.length, 3, 'a service may have loaded the earlier content meanwhile')
    await run(planFor('b'), host)
    t.equal(acted.length, 3)
  })

  t.test(`${kind}: stays due after a failure`, async (t) => {
    const { restart, acted } = restarter(kind, (count) => count <= 2)
    const plan = planOf((r) => {
      const config = file(r, { path: '/srv/config', content: 'x' })
      restart(r, { name: 'site', value: 'v', when: [config] })
    })
    const host = new VirtualHost()
    for (const expected of ['failed', 'failed', 'changed', 'unchanged'])
      t.equal((await run(plan, host)).outcome, expected)
    t.equal(acted.length, 1)
  })

  t.test(`${kind}: stays due after an ignored failure`, async (t) => {
    const { restart, acted } = restarter(kind, (count) => count === 1)
    const plan = planOf((r) => {
      const config = file(r, { path: '/srv/config', content: 'x' })
      restart(r, { name: 'site', value: 'v', when: [config], ignoreFailure: true })
    })
    const host = new VirtualHost()
    t.match(await run(plan, host), { outcome: 'changed', counts: { failed: 1 } })
    t.equal((await run(plan, host)).outcome, 'changed')
    t.equal(acted.length, 1)
  })

  t.test(`${kind}: stays due after a kill at any change`, async (t) => {
    for (let at = 1; at <= 4; at++) {
      const { restart, acted } = restarter(kind)
      const plan = planOf((r) => {
        const config = file(r, { path: '/srv/config', content: 'x' })
        restart(r, { name: 'site', value: 'v', when: [config] })
      })
      let armed = true
      const host = new VirtualHost({
        beforeChange: (count) => {
          if (armed && count === at) throw fault('killed')
        },
      })
      const first = await run(plan, host)
      armed = false
      await run(plan, host)
      t.ok(acted.length >= 1, `killed at change ${at}`)
      t.equal((await run(plan, host)).outcome, 'unchanged')
      if (first.outcome !== 'failed') t.ok(at > 3, 'all changes are tried')
    }
  })
}

t.test('an open gate with nothing to do closes', async (t) => {
  const { restart, acted } = restarter('gate')
  const plan = planOf((r) => {
    const config = file(r, { path: '/srv/config', content: 'x' })
    restart(r, { name: 'site', value: 'v', when: [config] })
  })
  const host = new VirtualHost()
  host.given('/srv/site', 'v')
  await run(plan, host)
  host.remove('/srv/site')
  t.equal((await run(plan, host)).outcome, 'unchanged', 'a closed gate leaves it alone')
  t.equal(acted.length, 0)
})

t.test('a closed gate still has its outputs', async (t) => {
  const { restart } = restarter('gate')
  const plan = planOf((r) => {
    const config = file(r, { path: '/srv/config', content: 'x' })
    const site = restart(r, { name: 'site', value: 'v', when: [config] })
    file(r, { path: '/srv/copy', content: site.value })
  })
  const host = new VirtualHost()
  await run(plan, host)
  host.remove('/srv/copy')
  t.equal(failureOf(await run(plan, host)), undefined)
  t.equal(host.readText('/srv/copy'), 'v')
})

t.test('a skipped resource stays due', async (t) => {
  const { restart, acted } = restarter('gate')
  const planFor = (online: boolean) =>
    planOf((r) => {
      const config = file(r, { path: '/srv/config', content: 'x' })
      restart(r, { name: 'site', value: 'v', when: [config], onlyIf: online })
    })
  const host = new VirtualHost()
  await run(planFor(false), host)
  await run(planFor(true), host)
  t.equal(acted.length, 1)
})

t.test('a cause that fails and is ignored counts as unchanged', async (t) => {
  const { restart, acted } = restarter('cause')
  let broken = false
  const config = probe(
    {
      apply: () => {
        if (broken) throw fault()
      },
    },
    'config',
  )
  const planFor = (value: string) =>
    planOf((r) => {
      const cause = config(r, { name: 'config', value, ignoreFailure: true })
      restart(r, { name: 'site', value: 'v', when: [cause] })
    })
  const host = new VirtualHost()
  await run(planFor('a'), host)
  broken = true
  t.match(await run(planFor('b'), host), { counts: { failed: 1, unchanged: 1 } })
  t.equal(acted.length, 1, 'nothing has changed')
  broken = false
  await run(planFor('b'), host)
  t.equal(acted.length, 2)
})

t.test('acts for any of several causes', async (t) => {
  const { restart, acted } = restarter('cause')
  const planFor = (a: string, b: string) =>
    planOf((r) => {
      const causes = [file(r, { path: '/srv/a', content: a }), file(r, { path: '/srv/b', content: b })]
      restart(r, { name: 'site', value: 'v', when: causes })
    })
  const host = new VirtualHost()
  for (const [a, b] of [
    ['1', '1'],
    ['2', '2'],
    ['2', '3'],
    ['2', '3'],
  ] as const)
    await run(planFor(a, b), host)
  t.equal(acted.length, 3, 'once for each run in which any of them changed')
})

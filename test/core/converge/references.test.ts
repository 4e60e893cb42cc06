/** Tests references between resources: when a value is known, and what happens if its resource fails or is skipped. */
import t from 'tap'
import { z } from 'zod'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { derived, reference, Unknown, under } from '../../../core/model/reference.ts'
import { defineResource } from '../../../core/model/resource.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { directory } from '../../../resources/files/directory.ts'
import { file } from '../../../resources/files/file.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { fault, probe } from '../../support/faulty_resource.ts'

/** Makes a directory whose name is only known during the run. */
const numbered = defineResource(
  {
    type: 'numbered',
    doc: 'A directory with a number of its own.',
    examples: [{}],
    key: () => 'one',
    props: z.strictObject({}),
    state: z.strictObject({ path: z.string().nullable() }),
  },
  {
    read: (host) => ({
      path:
        host
          .list('/srv')
          .map((name) => `/srv/${name}`)
          .find((path) => /\d$/.test(path)) ?? null,
    }),
    desired: (_, now) => ({ path: now.path ?? '(known after numbered one)' }),
    apply: (host) => host.makeDirectory('/srv/n42'),
    predict: () => undefined,
    outputs: (_, { path }) => ({
      path: path?.startsWith('/') ? path : (new Unknown('numbered one') as never as string),
    }),
  },
)
const thing = probe()
const dryAndReal = async (plan: ReturnType<typeof planOf>, host = new VirtualHost()) => ({
  dry: await run(plan, new VirtualHost({ base: host }), 'plan'),
  real: await run(plan, host),
  host,
})

t.test('resolves a value that the dry run knows', async (t) => {
  const plan = planOf((r) => {
    const a = thing(r, { name: 'a', value: 'x' })
    file(r, {
      path: derived(a.path, (path) => `${path}.copy`),
      content: derived(a.value, (value) => value.toUpperCase()),
    })
    execute(r, { command: ['echo', a.value], creates: '/srv/a' })
  })
  const { dry, real, host } = await dryAndReal(plan)
  t.strictSame(patchOf(dry), patchOf(real))
  t.equal(host.readText('/srv/a.copy'), 'X')
})

t.test('resolves a value that only the run knows', async (t) => {
  const plan = planOf((r) => {
    const release = numbered(r, {})
    file(r, { path: under(release.path, 'config'), content: 'x' })
    symlink(r, { path: '/srv/current', target: release.path })
    file(r, { path: '/srv/current/more', content: 'y' })
    file(r, { path: '/srv/beside', content: 'z' })
    thing(r, { name: 'restart', value: 'w', when: [{ resource: { type: 'symlink', key: '/srv/current' } } as never] })
  })
  const { dry, real, host } = await dryAndReal(plan)
  t.strictSame(
    dry.resources.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['planned', undefined],
      ['unknown', '(known after numbered one)'],
      ['unknown', '(known after numbered one)'],
      ['unknown', '(known after symlink /srv/current)'],
      ['planned', undefined],
      ['unknown', '(known after symlink /srv/current)'],
    ],
  )
  t.equal(failureOf(real), undefined)
  t.equal(host.readText('/srv/n42/more'), 'y')
  const second = await run(plan, new VirtualHost({ base: host }), 'plan')
  t.match(second, { outcome: 'unchanged', resources: [] })
})

t.test('resolves the digest of a resource', async (t) => {
  const planFor = (value: string) =>
    planOf((r) => {
      const a = thing(r, { name: 'a', value })
      file(r, { path: '/srv/stamp', content: a.digest })
      file(r, { path: '/srv/short', content: derived(a.digest, (digest) => digest.slice(0, 8)) })
    })
  const host = new VirtualHost()
  const { dry, real } = await dryAndReal(planFor('x'), host)
  t.strictSame(patchOf(dry), patchOf(real))
  const first = host.readText('/srv/stamp')
  t.match(first, /^[0-9a-f]{64}$/)
  t.equal(host.readText('/srv/short'), first?.slice(0, 8))
  await run(planFor('y'), host)
  t.not(host.readText('/srv/stamp'), first)
})

t.test('uses the state after the run, not the desired one', async (t) => {
  const plan = planOf((r) => {
    const release = numbered(r, {})
    file(r, { path: '/srv/where', content: release.path })
    file(r, { path: '/srv/digest', content: release.digest })
  })
  const { real, host } = await dryAndReal(plan)
  t.equal(failureOf(real), undefined)
  t.equal(host.readText('/srv/where'), '/srv/n42')
  t.equal((await run(plan, host)).outcome, 'unchanged', 'so is the digest')
})

t.test('fails for a reference to a skipped resource', async (t) => {
  const { dry, real } = await dryAndReal(
    planOf((r) => {
      const a = thing(r, { name: 'a', onlyIf: false })
      file(r, { path: '/srv/x', content: a.value })
    }),
  )
  for (const report of [dry, real])
    t.match(failureOf(report), {
      code: 'NO_VALUE',
      message: 'it refers to probe a, which was skipped',
      hint: /same guard/,
      resource: 'file /srv/x',
    })
})

t.test('fails for a reference to a failed resource', async (t) => {
  const broken = probe({
    apply: () => {
      throw fault()
    },
  })
  const { dry, real } = await dryAndReal(
    planOf((r) => {
      const a = broken(r, { name: 'a', ignoreFailure: true })
      file(r, { path: '/srv/x', content: a.value, ignoreFailure: true })
    }),
  )
  for (const report of [dry, real])
    t.match(report.resources[1], { outcome: 'failed', failure: { message: 'it refers to probe a, which failed' } })
})

t.test('fails for an unknown output', async (t) => {
  const { dry, real } = await dryAndReal(
    planOf((r) => {
      thing(r, { name: 'a' })
      file(r, { path: '/srv/x', content: reference<string>('probe a', 'pth') })
    }),
  )
  for (const report of [dry, real])
    t.match(failureOf(report), {
      code: 'NO_OUTPUT',
      message: 'probe a has no output pth',
      hint: 'it has: digest, path, value',
    })
})

t.test('checks the value of a reference like any other property', async (t) => {
  const { dry, real } = await dryAndReal(
    planOf((r) => {
      const a = thing(r, { name: 'a', value: 'relative' })
      directory(r, { path: a.value })
    }),
  )
  for (const report of [dry, real])
    t.match(failureOf(report), {
      code: 'INVALID_PROP',
      message: /directory: property path: an absolute path .got "relative"./,
    })
})

t.test('fails for a skipped resource also if another reference is unknown', async (t) => {
  const plan = planOf((r) => {
    const release = numbered(r, {})
    const a = thing(r, { name: 'a', onlyIf: false })
    file(r, { content: release.path, path: under(a.path, 'x') })
  })
  const { dry, real } = await dryAndReal(plan)
  for (const report of [dry, real]) t.match(failureOf(report), { code: 'NO_VALUE' })
})

/** Tests --only and --skip: what is converged, what a chosen resource sees of the rest, and what is refused. */
import t from 'tap'
import * as z from 'zod'
import type { Plan } from '../../../core/compile/compile.ts'
import { withSelection } from '../../../core/compile/selection.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { defineResource } from '../../../core/model/resource.ts'
import { file } from '../../../resources/files/file.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { failureOf, planOf, run } from '../../support/contract.ts'
import { probe } from '../../support/faulty_resource.ts'

const select = (plan: Plan, only: string[], skip: string[] = []) =>
  withSelection(plan.bind(new VirtualHost()), { only, skip })

const three = () =>
  planOf((r) => {
    file(r, { path: '/etc/a.conf', content: 'a' })
    file(r, { path: '/etc/sub/b.conf', content: 'b' })
    symlink(r, { path: '/etc/link', target: '/etc/a.conf' })
  })

t.test('converges the selected resources, and counts the rest', async (t) => {
  const host = new VirtualHost()
  const report = await run(select(three(), ['file//etc/*.conf'], ['file//etc/sub/*']), host)
  t.match(report, { outcome: 'changed', counts: { changed: 1, unchanged: 0 }, leftOut: 2 })
  t.strictSame(report.selection, { only: ['file//etc/*.conf'], skip: ['file//etc/sub/*'] })
  t.equal(host.readText('/etc/a.conf'), 'a')
  t.equal(host.lstat('/etc/link'), null)
})

t.test('takes a type alone, a name as plans print it, and globs', async (t) => {
  const chosen = (only: string[], skip?: string[]) => {
    const { resources, leftOut } = select(three(), only, skip)
    return resources.flatMap(({ name }) => (leftOut?.has(name) ? [] : [name]))
  }
  t.strictSame(chosen(['symlink']), ['symlink /etc/link'])
  t.strictSame(chosen(['file /etc/a.conf']), ['file /etc/a.conf'])
  t.strictSame(chosen(['*link', 'file//etc/?.conf']), ['file /etc/a.conf', 'symlink /etc/link'])
  t.strictSame(chosen([], ['file']), ['symlink /etc/link'])
  t.strictSame(chosen(['file'], ['file/*b.conf']), ['file /etc/a.conf'])
})

t.test('refuses a pattern without a match, and suggests a similar one', (t) => {
  const refused = (message: string, hint: RegExp | string, only: string[], skip: string[] = []) =>
    t.throws(() => select(three(), only, skip), { message, hint, usage: true })
  refused('--only fiel: this run has no resource of the type fiel', 'did you mean file?', ['fiel'])
  refused('--skip cron: this run has no resource of the type cron', 'it has: file, symlink', ['file'], ['cron'])
  refused('--only file//etc/a.cnf: this run has no file with such a key', 'did you mean /etc/a.conf?', [
    'file//etc/a.cnf',
  ])
  refused(
    '--only file/x: this run has no file with such a key',
    'it has: /etc/a.conf, /etc/sub/b.conf; * stands for any characters',
    ['file/x'],
  )
  refused('nothing is left of the 3 resources of this run (--only and --skip)', /./, ['file'], ['file'])
  t.throws(() => withSelection({ ...three(), events: ['rollback'] }, { only: ['file'], skip: [] }), {
    message: '--only cannot be used with rollback: its records would not be true',
  })
  t.end()
})

t.test('a chosen restart acts for a chosen cause, and once more when the rest changes later', async (t) => {
  const acted: number[] = []
  const restart = probe({ apply: (count) => void acted.push(count) }, 'restart')
  let turn = 0
  const plan = () =>
    planOf((r) => {
      const one = file(r, { path: '/etc/one', content: '1' })
      const other = file(r, { path: '/etc/other', content: '2' })
      restart(r, { name: 'site', value: `${++turn}`, when: [one, other] })
    })
  const host = new VirtualHost()
  await run(select(plan(), ['file//etc/one', 'restart']), host)
  t.equal(acted.length, 1)
  t.equal(host.lstat('/etc/other'), null)
  t.equal((await run(select(plan(), ['file//etc/one', 'restart']), host)).outcome, 'unchanged')
  await run(plan(), host)
  t.equal(acted.length, 2, 'a skipped resource has changed')
  t.equal((await run(plan(), host)).outcome, 'unchanged')
})

t.test('a change whose restart is left out keeps the restart due', async (t) => {
  const acted: number[] = []
  const restart = probe({ apply: (count) => void acted.push(count) }, 'restart')
  let turn = 0
  const plan = () =>
    planOf((r) => {
      const one = file(r, { path: '/etc/one', content: `${turn < 1}` })
      restart(r, { name: 'site', value: `${turn}`, when: [one] })
    })
  const host = new VirtualHost()
  await run(plan(), host)
  turn++
  await run(select(plan(), [], ['restart']), host)
  t.equal(acted.length, 1)
  await run(plan(), host)
  t.equal(acted.length, 2)
})

t.test('a value of a skipped resource is used only if the resource is unchanged', async (t) => {
  const source = probe()
  const plan = () =>
    planOf((r) => {
      const resource = source(r, { name: 'source', value: 'v' })
      file(r, { path: '/etc/copy', content: resource.value })
    })
  const host = new VirtualHost()
  const report = await run(select(plan(), ['file']), host)
  t.match(failureOf(report), {
    code: 'LEFT_OUT',
    message: 'it depends on probe source, which is left out and is not as declared',
  })
  t.equal(host.lstat('/srv/source'), null)
  host.writeFile('/srv/source', 'v')
  t.match(await run(select(plan(), ['file']), host), { outcome: 'changed', leftOut: 1 })
  t.equal(host.readText('/etc/copy'), 'v')
})

const release = defineResource(
  {
    type: 'release',
    doc: 'A directory that is built in steps.',
    examples: [{ path: '/srv/releases/1' }],
    key: ({ path }) => path,
    props: z.strictObject({ path: z.string() }),
    state: z.strictObject({ exists: z.boolean() }),
    isBuiltInSteps: true,
  },
  {
    read: (host, { path }) => ({ exists: host.lstat(path) !== null }),
    desired: () => ({ exists: true }),
    apply: (host, { path }) => host.makeDirectory(path),
    outputs: ({ path }): { path: string } => ({ path }),
  },
)

t.test('never switches to a release with a skipped step', async (t) => {
  const build = probe()
  const plan = () =>
    planOf((r) => {
      const resource = release(r, { path: '/srv/1' })
      build(r, { name: 'built', list: [resource.path] })
      symlink(r, { path: '/srv/current', target: resource.path })
    })
  for (const [only, skip] of [
    [['symlink'], []],
    [['release', 'symlink'], []],
    [[], ['probe']],
  ] as const) {
    const host = new VirtualHost()
    const report = await run(select(plan(), [...only], [...skip]), host)
    t.match(failureOf(report), { code: 'LEFT_OUT' })
    t.equal(host.lstat('/srv/current'), null)
  }
  const host = new VirtualHost()
  await run(plan(), host)
  host.remove('/srv/current')
  t.match(await run(select(plan(), ['symlink']), host), { outcome: 'changed', leftOut: 2 }, 'all steps are as declared')
})

t.test('an error in reading a skipped resource does not fail the run', async (t) => {
  const broken = probe(
    {
      read: () => {
        throw new ConvergeError('unreadable', { code: 'BROKEN' })
      },
    },
    'broken',
  )
  const plan = planOf((r) => {
    const one = broken(r, { name: 'x', value: 'v' })
    const other = file(r, { path: '/etc/a', content: 'a' })
    file(r, { path: '/etc/b', content: 'b', when: [one, other] })
  })
  t.match(await run(select(plan, ['file']), new VirtualHost()), { outcome: 'changed', counts: { changed: 2 } })
})

/** Tests that recipes run once, and that the plan follows the values of the host to which it is bound. */
import t from 'tap'
import { compile, draftPlan, type Plan } from '../../../core/compile/compile.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError, problemsOf } from '../../../core/model/errors.ts'
import { anyHost, defineQuery, onlyOnHost } from '../../../core/model/query.ts'
import { derived, queried } from '../../../core/model/reference.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { file } from '../../../resources/files/file.ts'

const note = defineQuery({ name: 'the note', read: (host) => host.readText('/note')?.trim() ?? null, unread: null })

const planOf = (...recipes: ((r: Recipe<unknown>) => void)[]) =>
  compile(
    recipes.map((deploy, index) => role<unknown>(`role${index}`, { deploy })),
    ['deploy'],
    {},
  )

const hostWith = (text?: string) => {
  const host = new VirtualHost()
  if (text !== undefined) host.given('/note', text)
  return host
}

function refusals(work: () => unknown): string[] {
  try {
    work()
    return []
  } catch (error) {
    return problemsOf(error).map(({ code }) => code)
  }
}

const names = ({ resources }: Plan) => resources.map(({ name }) => name)

t.test('a recipe runs once, and only what depends on the host is declared again', async (t) => {
  let runs = 0
  const values: (string | null)[] = []
  const plan = planOf((r) => {
    runs++
    file(r, { path: '/first', content: '' })
    r.given(note, (value) => {
      values.push(value)
      file(r, { path: value === null ? '/without' : `/${value}`, content: '' })
    })
    file(r, { path: '/last', content: '' })
  })
  t.strictSame(names(plan), ['file /first', 'file /without', 'file /last'])
  t.strictSame(names(plan.bind(hostWith('a'))), ['file /first', 'file /a', 'file /last'])
  t.strictSame(names(plan.bind(hostWith())), ['file /first', 'file /without', 'file /last'], 'bound once more')
  t.equal(runs, 1)
  t.strictSame(values, [null, 'a', null])
})

t.test('a query without a default declares nothing where no host is read', async (t) => {
  const plan = planOf((r) => {
    r.given(anyHost, () => r.warn('on a host'))
    r.given(onlyOnHost(note), (value) => r.note(`it says ${value}`))
  })
  t.strictSame([plan.warnings, plan.notes], [[], []])
  const bound = plan.bind(hostWith('a'))
  t.strictSame([bound.warnings, bound.notes], [['on a host'], ['it says a']])
  t.equal(bound.bind(hostWith('b')), bound)
})

t.test('the value of a query is a property like any other', async (t) => {
  const plan = planOf((r) => {
    const path = derived(queried(note), (value) => `/${value ?? 'none'}`)
    file(r, { path, content: derived(queried(note), (value) => value ?? '') })
  })
  t.strictSame(names(plan), ['file /none'])
  const [resource] = plan.bind(hostWith('a')).resources
  t.match(resource, { name: 'file /a', hasReferences: false, props: { path: '/a', content: 'a' } })
  const host = hostWith('b')
  t.equal((await converge(plan, host, { id: '1', mode: 'run' })).outcome, 'changed')
  t.equal(host.readText('/b'), 'b')
})

t.test('handles: a resource that this host does not get is left out of `when`', async (t) => {
  const plan = planOf((r) => {
    const config = file(r, { path: '/config', content: '' })
    const extra = r.given(note, (value) => (value === null ? file(r, { path: '/extra', content: '' }) : config))
    execute(r, { command: 'reload', when: [config, extra] })
  })
  const causes = (one: Plan) => one.resources.at(-1)?.options.when?.map(({ resource }) => resource.key)
  t.strictSame(causes(plan), ['/config', '/extra'])
  t.strictSame(causes(plan.bind(hostWith('a'))), ['/config'])
  t.strictSame(causes(plan.bind(hostWith())), ['/config', '/extra'])
})

t.test('unlessDeclared is decided again on the host', async (t) => {
  const plan = planOf(
    (r) => r.given(note, (value) => void (value === null && file(r, { path: '/shared', content: '1' }))),
    (r) => r.unlessDeclared('file', '/shared', () => void file(r, { path: '/shared', content: '2' })),
  )
  const contents = (one: Plan) => one.resources.map(({ props }) => (props as { content: string }).content)
  t.strictSame(contents(plan), ['1'])
  t.strictSame(contents(plan.bind(hostWith('a'))), ['2'])
})

t.test('two declarations that differ are refused where a host gets both', async (t) => {
  const plan = planOf(
    (r) => r.given(note, (value) => void (value !== null && file(r, { path: '/a', content: '1' }))),
    (r) => void file(r, { path: '/a', content: '2' }),
  )
  t.strictSame(names(plan.bind(hostWith())), ['file /a'])
  t.throws(() => plan.bind(hostWith('x')), { code: 'DECLARED_TWICE' })
})

t.test('mistakes within given: of the input before the run, of the host when it begins', async (t) => {
  const wrong = role<unknown>('wrong', {
    deploy: (r) => r.given(note, () => void file(r, { path: 'relative', content: '' })),
  })
  t.equal(draftPlan([wrong], ['deploy'], {}).problems.length, 1)
  const refuse = (code: string) => (r: Recipe<unknown>) => {
    r.given(note, (value) => {
      if (value !== null) throw new ConvergeError(`${value} is refused`, { code, usage: true })
    })
    r.warn('after it')
  }
  const plan = planOf(refuse('ONE'), refuse('TWO'))
  t.strictSame(plan.bind(hostWith()).warnings, ['after it'])
  t.strictSame(
    refusals(() => plan.bind(hostWith('a'))),
    ['ONE', 'TWO'],
  )
  const host = hostWith('a')
  const events: string[] = []
  const handlers = [{ start: () => void events.push('start') }]
  await t.rejects(converge(plan, host, { id: '1', mode: 'run', handlers }), { code: 'INVALID_INPUT' })
  t.strictSame(events, [], 'before the run begins')
})

t.test('an included role is bound with the one that includes it', async (t) => {
  const inner = role<unknown>('inner', {
    deploy: (r) => r.given(note, (value) => void file(r, { path: `/${value}`, content: '' })),
  })
  const plan = planOf((r) => r.include(inner, 'deploy'))
  const [resource] = plan.bind(hostWith('a')).resources
  t.match(resource, { name: 'file /a', role: 'inner', event: 'deploy' })
})

/** Tests overrides: a recipe changes a resource that another recipe declares. */
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { type Recipe, type Role, role } from '../../../core/compile/role.ts'
import { ConvergeError, problemsOf as errorsOf } from '../../../core/model/errors.ts'
import { directory } from '../../../resources/files/directory.ts'
import { file } from '../../../resources/files/file.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'

type Declare = (r: Recipe<object>) => void

const base = role<object>('base-web', {
  deploy(r) {
    const config = file(r, { path: '/etc/web.conf', content: 'port = 80\n', mode: '0640' })
    service_restart(r, { services: [{ name: 'web' }], when: [config] })
  },
})

const wrapper = (deploy: Declare): Role<object> => role<object>('wrapper', { deploy })

function propsAfter(deploy: Declare, ...others: readonly Role<object>[]): unknown {
  const { resources } = compile([wrapper(deploy), ...others], ['deploy'], {})
  return resources.find(({ name }) => name === 'file /etc/web.conf')?.props
}

function problemsOf(deploy: Declare, ...others: readonly Role<object>[]): readonly unknown[] {
  try {
    compile([wrapper(deploy), ...others], ['deploy'], {})
    return []
  } catch (error) {
    return errorsOf(error).map(({ code, message, source }) => ({
      code,
      message,
      file: source?.file,
      line: source?.line,
    }))
  }
}

t.test('changes properties of a resource, before or after its declaration', async (t) => {
  const change = (r: Recipe<object>) => r.override(file, '/etc/web.conf', { content: 'port = 8080\n' })
  const expected = { path: '/etc/web.conf', content: 'port = 8080\n', mode: '0640' }
  t.match(
    propsAfter((r) => {
      r.include(base, 'deploy')
      change(r)
    }),
    expected,
  )
  t.match(
    propsAfter((r) => {
      change(r)
      r.include(base, 'deploy')
    }),
    expected,
  )
  t.match(propsAfter(change, base), expected, 'of another role of the run')
})

t.test('keeps the order, and the handles of the resource', async (t) => {
  const { resources } = compile(
    [
      wrapper((r) => {
        r.include(base, 'deploy')
        r.override(file, '/etc/web.conf', { content: 'x' })
        directory(r, { path: '/srv' })
      }),
    ],
    ['deploy'],
    {},
  )
  t.strictSame(
    resources.map(({ type }) => type),
    ['file', 'service_restart', 'directory'],
  )
  t.match(resources[1]?.options.when, [{ resource: { type: 'file', key: '/etc/web.conf' } }])
})

t.test('changes common options, and removes what is undefined', async (t) => {
  const { resources } = compile(
    [
      wrapper((r) => {
        r.include(base, 'deploy')
        r.override(file, '/etc/web.conf', { mode: undefined, ignoreFailure: true })
      }),
    ],
    ['deploy'],
    {},
  )
  t.match(resources[0], { props: { mode: undefined }, options: { ignoreFailure: true } })
})

t.test('refuses an override of nothing, at its line', async (t) => {
  const [problem] = problemsOf((r) => {
    r.include(base, 'deploy')
    r.override(file, '/etc/wbe.conf', { content: 'x' })
  })
  t.match(problem, {
    code: 'NOTHING_TO_OVERRIDE',
    message: 'override: no recipe of this run declares file /etc/wbe.conf',
    file: /override\.test\.ts$/,
  })
})

t.test('refuses a second override, and names the place of the first', async (t) => {
  const problems = problemsOf((r) => {
    r.include(base, 'deploy')
    r.override(file, '/etc/web.conf', { content: 'x' })
    r.override(file, '/etc/web.conf', { mode: '0600' })
  })
  t.match(problems, [
    {
      code: 'OVERRIDDEN_TWICE',
      message: /^file \/etc\/web\.conf is overridden twice: first in .*override\.test\.ts:\d+:\d+$/,
    },
  ])
  t.equal(problems.length, 1)
})

t.test('refuses invalid properties at the line of the override', async (t) => {
  const problems = problemsOf((r) => {
    r.include(base, 'deploy')
    r.override(file, '/etc/web.conf', { mode: 'rw', contnet: 'x' } as never)
  })
  t.equal(problems.length, 2)
  for (const problem of problems) t.match(problem, { file: /override\.test\.ts$/ })
})

t.test('refuses a change of what identifies the resource', async (t) => {
  const problems = problemsOf((r) => {
    r.include(base, 'deploy')
    r.override(file, '/etc/web.conf', { path: '/etc/other.conf' })
  })
  t.match(problems, [
    { code: 'INVALID_OVERRIDE', message: /would make file \/etc\/other\.conf of file \/etc\/web\.conf/ },
  ])
})

t.test('refuses a reference to a resource that comes later', async (t) => {
  const problems = problemsOf((r) => {
    r.include(base, 'deploy')
    const late = file(r, { path: '/etc/late', content: 'x' })
    r.override(file, '/etc/web.conf', { after: late })
  })
  t.match(problems, [{ code: 'UNKNOWN_REFERENCE' }])
})

t.test('refuses a wrong call', async (t) => {
  const problems = problemsOf((r) => {
    ;(r.override as (...given: unknown[]) => void)('file', '/etc/web.conf', { content: 'x' })
    ;(r.override as (...given: unknown[]) => void)(file, '/etc/web.conf')
  })
  t.match(problems, [{ code: 'INVALID_CALL' }, { code: 'INVALID_CALL' }])
})

/** A role with two events that declare the same file. */
const twoEvents = role<object>('two-events', {
  deploy(r) {
    const config = file(r, { path: '/etc/web.conf', content: 'port = 80\n' })
    service_restart(r, { services: [{ name: 'web' }], when: [config] })
  },
  configure: (r) => file(r, { path: '/etc/web.conf', content: 'port = 80\n' }),
  stop: (r) => directory(r, { path: '/srv/stopped' }),
})

const contentIn = (one: Role<object>, event: string) =>
  (
    compile([one], [event], {}).resources.find(({ name }) => name === 'file /etc/web.conf')?.props as {
      content: string
    }
  )?.content

t.test('overrides of a role apply to all of its events, inherited ones too', async (t) => {
  const own = role<object>('own', {
    extends: twoEvents,
    overrides: (r) => r.override(file, '/etc/web.conf', { content: 'own\n' }),
    configure: (r) => r.include(twoEvents, 'configure'),
  })
  for (const event of ['deploy', 'configure']) t.equal(contentIn(own, event), 'own\n', event)
  t.equal(compile([own], ['stop'], {}).resources.length, 1, 'an event that does not declare the file stays as it is')
  t.equal(compile([own], ['deploy', 'configure'], {}).resources.length, 2, 'both events in one run')
  const further = role<object>('further', { extends: own, stop: (r) => r.note('') })
  t.equal(contentIn(further, 'deploy'), 'own\n', 'a role that extends it inherits them')
})

t.test('overrides of a role that no event needs are an error at their line', async (t) => {
  const own = role<object>('own', {
    extends: twoEvents,
    overrides: (r) => r.override(file, '/etc/wbe.conf', { content: 'own\n' }),
  })
  for (const event of ['deploy', 'stop'])
    try {
      compile([own], [event], {})
      t.fail(`${event} is compiled`)
    } catch (error) {
      t.match(errorsOf(error), [
        { code: 'NOTHING_TO_OVERRIDE', hint: 'did you mean /etc/web.conf?', source: { file: /override\.test/ } },
      ])
    }
})

t.test('warns of an override in one event of a resource that another event declares without it', async (t) => {
  const own = role<object>('own', {
    extends: twoEvents,
    configure(r) {
      r.include(twoEvents, 'configure')
      r.override(file, '/etc/web.conf', { content: 'own\n' })
    },
  })
  const { warnings } = compile([own], ['configure'], {})
  t.match(warnings, [
    /override\.test\.ts:\d+:\d+: own overrides file \/etc\/web\.conf in configure, but not in deploy: /,
  ])
  t.equal(warnings.length, 1)
  const both = role<object>('both', {
    extends: twoEvents,
    configure: own.events.get('configure') as () => void,
    deploy(r) {
      r.include(twoEvents, 'deploy')
      r.override(file, '/etc/web.conf', { content: 'own\n' })
    },
  })
  t.strictSame(compile([both], ['configure'], {}).warnings, [])
})

t.test('declares a step before a resource of another recipe', async (t) => {
  const own = role<object>('own', {
    extends: twoEvents,
    deploy(r) {
      r.include(twoEvents, 'deploy')
      r.before(service_restart, 'web', (when) => {
        file(r, { path: '/etc/step', content: 'x', when })
      })
    },
  })
  const { resources } = compile([own], ['deploy'], {})
  t.strictSame(
    resources.map(({ name }) => name),
    ['file /etc/web.conf', 'file /etc/step', 'service_restart web'],
  )
  t.match(resources[1]?.options, { when: [{ resource: { type: 'file', key: '/etc/web.conf' } }] })
})

t.test('reports mistakes of steps at their line', async (t) => {
  const problems = (declare: Declare) => problemsOf((r) => declare(r), base)
  t.match(
    problems((r) => r.before(service_restart, 'wbe', () => undefined)),
    [{ code: 'NOTHING_TO_PRECEDE', message: /declares service_restart wbe/, file: /override\.test/ }],
  )
  t.match(
    problems((r) => (r.before as (...given: unknown[]) => void)('file', '/etc/web.conf')),
    [{ code: 'INVALID_CALL', file: /override\.test/ }],
  )
  t.match(
    problems((r) => {
      const late = file(r, { path: '/etc/late', content: '' })
      r.before(file, '/etc/late', () => {
        file(r, { path: '/etc/step', content: '', after: late })
      })
    }),
    [{ message: /\/etc\/late/, file: /override\.test/ }],
  )
  t.match(
    problems((r) =>
      r.before(service_restart, 'web', () => {
        throw new ConvergeError('no', { code: 'NO', usage: true })
      }),
    ),
    [{ code: 'NO' }],
  )
  const inOverrides = role<object>('own', {
    extends: twoEvents,
    overrides: (r) => (r as Recipe<object>).before(service_restart, 'web', () => undefined),
  })
  try {
    compile([inOverrides], ['deploy'], {})
    t.fail('it is compiled')
  } catch (error) {
    t.match(errorsOf(error), [{ code: 'INVALID_CALL', source: { file: /override\.test/ } }])
  }
})

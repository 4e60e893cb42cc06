/** Tests how recipes of roles become a plan: order, equal declarations, included and extended roles, and mistakes. */
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { derived, under } from '../../../core/model/reference.ts'
import { seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { probe } from '../../support/faulty_resource.ts'

type R = Recipe<unknown>
const thing = probe()
const planOf = (...events: ((r: R) => void)[]) =>
  compile(
    events.map((deploy, index) => role<unknown>(`role${index}`, { deploy })),
    ['deploy'],
    {},
  )
const names = (plan: ReturnType<typeof planOf>) => plan.resources.map(({ name }) => name)

/** Returns the errors of compiling these events. */
function problems(...events: ((r: R) => void)[]): ConvergeError[] {
  try {
    planOf(...events)
  } catch (error) {
    if (error instanceof InvalidInput) return [...error.problems]
    if (error instanceof ConvergeError) return [error]
    throw error
  }
  return []
}

t.test('runs resources in source order, role by role', (t) => {
  const plan = compile(
    [
      role<unknown>('server', {
        setup: (r) => {
          thing(r, { name: 's1' })
        },
        deploy: (r) => {
          thing(r, { name: 's2' })
        },
      }),
      role<unknown>('client', {
        deploy: (r) => {
          thing(r, { name: 'c1' })
        },
      }),
    ],
    ['setup', 'deploy'],
    {},
  )
  t.strictSame(names(plan), ['probe s1', 'probe s2', 'probe c1'])
  t.strictSame(
    [plan.roles, plan.events],
    [
      ['server', 'client'],
      ['setup', 'deploy'],
    ],
  )
  t.match(plan.resources[2], { role: 'client', event: 'deploy' })
  t.end()
})

t.test('runs a duplicate role once', (t) => {
  const one = role<unknown>('one', {
    deploy: (r) => {
      thing(r, { name: 'a' })
    },
  })
  t.strictSame(names(compile([one, one], ['deploy'], {})), ['probe a'])
  t.end()
})

t.test('joins equal declarations, and refuses different ones with both places', (t) => {
  const declare =
    (value: string, options = {}) =>
    (r: R) => {
      thing(r, { name: 'a', value, ...options })
    }
  t.strictSame(names(planOf(declare('x'), declare('x'))), ['probe a'])
  const [problem] = problems(declare('x'), declare('y'))
  t.match(problem, { code: 'DECLARED_TWICE', usage: true, resource: 'probe a' })
  t.match(problem?.message, /role0 deploy \(.*recipe\.test\.ts:\d+\), again in role1 deploy/)
  t.match(problem?.hint, 'they differ in: value')
  t.match(problem?.source, { file: /recipe\.test\.ts$/, line: Number })
  t.match(problems(declare('x'), declare('x', { retries: 2 }))[0]?.hint, 'retries')
  t.strictSame(problems(declare('x', { retryDelay: seconds(1) }), declare('x', { retryDelay: seconds(1) })), [])
  t.end()
})

t.test('joins equal declarations with references', (t) => {
  const both = (suffix: string) => (r: R) => {
    const a = thing(r, { name: 'a' })
    file(r, { path: '/srv/b', content: derived(a.value, (value) => `${value}${suffix}`) })
  }
  t.equal(planOf(both('!'), both('!')).resources.length, 2)
  t.match(problems(both('!'), both('?'))[0], { code: 'DECLARED_TWICE', hint: /content/ })
  t.end()
})

t.test('a resource has the line of its declaration', (t) => {
  const plan = planOf((r) => {
    thing(r, { name: 'a' })
  })
  t.match(plan.resources[0]?.source(), { file: /recipe\.test\.ts$/, line: Number })
  t.end()
})

t.test('reports all problems at once, each with its location', (t) => {
  const found = problems((r) => {
    file(r, { path: 'relative', content: '' })
    file(r, { path: '/a', content: 7 as never })
    symlink(r, { path: '/b', target: '/c', tagret: '' } as never)
  })
  t.strictSame(
    found.map(({ code }) => code),
    ['INVALID_PROP', 'INVALID_PROP', 'UNKNOWN_PROP'],
  )
  t.match(found[0]?.message, /file: property path: an absolute path .got "relative"./)
  t.match(found[2]?.hint, 'did you mean target?')
  for (const problem of found) t.match(problem.source, { file: /recipe\.test\.ts$/ })
  t.end()
})

t.test('checks the values around references now, and references later', (t) => {
  t.strictSame(
    problems((r) => {
      const a = thing(r, { name: 'a' })
      file(r, { path: under(a.path, 'x'), content: a.value })
      thing(r, { name: 'b', list: ['plain', a.value] })
    }),
    [],
  )
  const found = problems((r) => {
    const a = thing(r, { name: 'a' })
    file(r, { path: '/x', content: a.value, mode: '9' })
    thing(r, { name: 'b', list: [a.value, 7 as never] })
    file(r, { path: '/y', content: a.value, onlyif: true } as never)
  })
  t.match(
    found.map(({ message }) => message),
    [/property mode/, /property list\.1/, /no property onlyif/],
  )
  t.end()
})

t.test('the key of a resource names its references', (t) => {
  const plan = planOf((r) => {
    const a = thing(r, { name: 'a' })
    file(r, { path: under(a.path, 'x'), content: '' })
  })
  t.equal(plan.resources[1]?.key, '<path of probe a>/x')
  t.strictSame([...plan.needed], ['probe a'])
  t.end()
})

t.test('a required resource must be declared before', (t) => {
  const [first] = problems((r) => {
    const other = (() => {
      let handle: ReturnType<typeof thing> | undefined
      compile(
        [
          role<unknown>('elsewhere', {
            deploy: (r) => {
              handle = thing(r, { name: 'other' })
            },
          }),
        ],
        ['deploy'],
        {},
      )
      return handle!
    })()
    thing(r, { name: 'a', when: [other] })
    thing(r, { name: 'b', after: other })
    thing(r, { name: 'c', value: other.value })
  })
  t.match(first, {
    code: 'UNKNOWN_REFERENCE',
    message: 'probe a needs probe other, which is not declared before it',
    hint: /source order/,
  })
  t.end()
})

t.test('compiles the requested events, and refuses unknown ones', (t) => {
  const one = role<unknown>('one', {
    deploy: (r) => {
      thing(r, { name: 'a' })
    },
    events: {
      warm: (r) => {
        thing(r, { name: 'w' })
      },
    },
  })
  t.throws(() => compile([one], ['depoly'], {}), { code: 'UNKNOWN_EVENT', hint: 'did you mean deploy?' })
  t.throws(() => compile([one], ['quite-different'], {}), { code: 'UNKNOWN_EVENT', hint: 'they have: deploy, warm' })
  t.strictSame(names(compile([one], ['warm'], {})), ['probe w'])
  t.strictSame(
    names(compile([one], ['setup', 'deploy', 'configure'], {})),
    ['probe a'],
    'not every role has every event',
  )
  t.end()
})

t.test('include adds another role once', (t) => {
  const base = role<unknown>('base', {
    setup: (r) => {
      thing(r, { name: 'base' })
    },
  })
  const plan = planOf(
    (r) => {
      r.include(base, 'setup')
      thing(r, { name: 'own' })
    },
    (r) => {
      r.include(base, 'setup')
    },
  )
  t.strictSame(
    plan.resources.map(({ name, role, event }) => [name, role, event]),
    [
      ['probe base', 'base', 'setup'],
      ['probe own', 'role0', 'deploy'],
    ],
  )
  const found = problems((r) => {
    r.include(base, 'stup')
    thing(r, { name: 'x', vlaue: '' } as never)
  })
  t.match(found, [
    {
      code: 'UNKNOWN_EVENT',
      message: 'the role base has no event stup',
      hint: 'did you mean setup?',
      source: { file: /recipe\.test/ },
    },
    { code: 'UNKNOWN_PROP' },
  ])
  t.end()
})

t.test('a role extends another', (t) => {
  const base = role<unknown>('base', {
    attributes: { a: 1, b: 1 },
    setup: (r) => {
      thing(r, { name: 's' })
    },
    deploy: (r) => {
      thing(r, { name: 'd' })
    },
  })
  const own = role<unknown>('own', {
    extends: base,
    attributes: { b: 2 },
    deploy: (r) => {
      thing(r, { name: 'mine' })
    },
  })
  t.strictSame(names(compile([own], ['setup', 'deploy'], {})), ['probe s', 'probe mine'])
  t.strictSame(own.attributes, { a: 1, b: 2 })
  t.end()
})

t.test('refuses an asynchronous recipe', (t) => {
  const [problem] = problems((async (r: R) => {
    thing(r, { name: 'a' })
  }) as (r: R) => void)
  t.match(problem, {
    code: 'ASYNC_RECIPE',
    message: 'deploy of the role role0 is asynchronous',
    hint: /remove async/,
  })
  t.strictSame(
    problems((async () => {
      throw new Error('later')
    }) as never)[0]?.code,
    'ASYNC_RECIPE',
  )
  t.end()
})

t.test('has() finds declared resources, warn() collects warnings, and the plan is frozen', (t) => {
  const plan = planOf((r) => {
    thing(r, { name: 'a' })
    if (r.has('probe', 'a') && !r.has('probe', 'b')) r.warn('only a')
    r.warn('only a')
  })
  t.strictSame(plan.warnings, ['only a'])
  t.throws(() => (plan.resources as unknown[]).push(1), TypeError)
  t.end()
})

t.test('ends a recipe that makes any number of mistakes', (t) => {
  let declared = 0
  const found = problems((r) => {
    for (; declared < 1_000_000; declared++) file(r, { path: `/${declared}`, content: declared as never })
  })
  t.equal(found.length, 201)
  t.equal(declared, 200)
  t.match(found.at(-1), {
    message: /^there are at least 200 mistakes: the rest of the recipes is not checked$/,
    hint: 'correct the reported ones, then run again',
  })
  t.end()
})

t.test('refuses paths that are longer than the system accepts', (t) => {
  for (const path of [
    `/${'a'.repeat(256)}`,
    '/a'.repeat(3000),
    `/${'\u00e4'.repeat(128)}`,
    `/${'a'.repeat(20_000_000)}`,
  ])
    t.match(
      problems((r) => file(r, { path, content: '' })),
      [{ message: /at most 4095 bytes/ }],
    )
  t.strictSame(
    problems((r) => file(r, { path: `/${'a'.repeat(255)}`, content: '' })),
    [],
  )
  t.end()
})

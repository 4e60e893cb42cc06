/** Tests overrides: a recipe changes a resource that another recipe declares. */
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { type Recipe, type Role, role } from '../../../core/compile/role.ts'
import { problemsOf as errorsOf } from '../../../core/model/errors.ts'
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

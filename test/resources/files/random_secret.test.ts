/** Tests random_secret: creating a secret once, and keeping it from reports. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { file } from '../../../resources/files/file.ts'
import { random_secret } from '../../../resources/files/random_secret.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const path = '/etc/secret'

contract(t, random_secret, [
  {
    name: 'creates a missing secret',
    props: { path },
    changes: ['replace /mode = "0600"', 'replace /kind = "file"'],
    then: (t, host) => {
      t.match(host.readText(path), /^[\w-]{24}\n$/)
      t.match(host.lstat(path), { mode: '0600' })
    },
  },
  {
    name: 'keeps an existing secret',
    props: { path },
    given: (host) => void host.given(path, 'chosen\n', '0600'),
    changes: [],
    then: (t, host) => t.equal(host.readText(path), 'chosen\n'),
  },
  {
    name: 'corrects the mode of an existing secret',
    props: { path },
    given: (host) => void host.given(path, 'chosen\n', '0644'),
    changes: ['replace /mode = "0600"'],
    then: (t, host) => t.equal(host.readText(path), 'chosen\n'),
  },
  {
    name: 'replaces an empty file',
    props: { path, bytes: 32 },
    given: (host) => void host.given(path, '\n', '0600'),
    then: (t, host) => t.match(host.readText(path), /^[\w-]{43}\n$/),
  },
  {
    name: 'fails if a directory has its path',
    props: { path },
    given: (host) => void host.given(path, null),
    fails: /is a directory, but a file with a secret was declared.*mv \/etc\/secret/s,
  },
])

t.test('passes the secret to other resources, and shows it in no report', async (t) => {
  const host = new VirtualHost()
  const plan = planOf((r) => {
    const secret = random_secret(r, { path })
    file(r, { path: '/etc/config', content: secret.value as never, when: [secret] })
  })
  const dry = await run(plan, new VirtualHost({ base: host }), 'plan')
  t.strictSame(
    dry.resources.map(({ outcome }) => outcome),
    ['planned', 'unknown'],
    'a dry run does not make one up',
  )
  const report = await converge(plan, host, { id: 'test', mode: 'run', secrets: new Secrets() })
  t.strictSame(failureOf(report), undefined)
  const value = host.readText('/etc/config') ?? ''
  t.equal(`${value}\n`, host.readText(path))
  t.notOk(JSON.stringify(report).includes(value))
  t.equal((await run(plan, host)).outcome, 'unchanged')
})

t.test('creates different secrets at two paths', async (t) => {
  const host = new VirtualHost()
  await run(
    planOf((r) => {
      random_secret(r, { path: '/etc/a' })
      random_secret(r, { path: '/etc/b' })
    }),
    host,
  )
  t.not(host.readText('/etc/a'), host.readText('/etc/b'))
})

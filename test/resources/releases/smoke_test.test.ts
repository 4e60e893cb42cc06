/** Tests smoke_test: requests and commands that a new release must pass. */
import t from 'tap'
import type { CommandHandler, VirtualOptions } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { smoke_test } from '../../../resources/releases/smoke_test.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

const release = '/srv/site/releases/000002-1a2b3c4d'
const base = { app: 'site', directory: release }
const none = {}
const anna = { name: 'anna', uid: 1000, gid: 1000, home: '/home/anna', shell: '/bin/sh' }
const commands: CommandHandler = (argv, { cwd }, host) => {
  if (argv.includes('fail')) return { status: 1, stderr: 'it does not work' }
  host.given('/srv/log', `${argv.join(' ')} in ${cwd}\n`)
  return {}
}
/**
 * A server that answers with a page, and does not answer at /down; `slow` is the number of failed requests of
 * /starting.
 */
function server(slow = 0): VirtualOptions {
  let requestCount = 0
  return {
    commands,
    self: anna,
    requests: ({ path, port, headers = {} }) => {
      if (path === '/down') return null
      if (path === '/starting' && requestCount++ < slow) return { status: 503, headers: none, body: 'not yet' }
      if (path === '/closed' && headers['X-Converge-Test'] === undefined) return maintenancePage
      if (path === '/closed-elsewhere') return maintenancePage
      if (path === '/kept') return { status: 200, headers: { 'x-cache': 'HIT' }, body: 'Welcome' }
      if (path?.startsWith('/kept?converge=')) return { status: 500, headers: none, body: '' }
      if (path?.startsWith('/kept-without-query')) return { status: 200, headers: { age: '7' }, body: 'Welcome' }
      if (path === '/host') return { status: 200, headers: none, body: headers.Host ?? '' }
      return path === '/gone'
        ? { status: 404, headers: none, body: '' }
        : { status: 200, headers: none, body: `Welcome at ${port}` }
    },
  }
}
const maintenancePage = { status: 503, headers: { 'x-converge-maintenance': 'on' }, body: 'Back soon' }
const asks = (path: string, more: object = {}) => ({ requests: [{ port: 8081, path, ...more }], deadline: seconds(3) })

contract(t, smoke_test, [
  { name: 'does nothing without tests', props: base, host: server() },
  { name: 'accepts a request', props: { ...base, ...asks('/') }, host: server(), changes: ['replace /passedFor'] },
  {
    name: 'accepts an answer with the text',
    props: { ...base, ...asks('/', { contains: 'Welcome at 8081' }) },
    host: server(),
  },
  {
    name: 'sends a header',
    props: { ...base, ...asks('/host', { headers: { Host: 'a.b' }, contains: 'a.b' }) },
    host: server(),
  },
  {
    name: 'tests the app itself while the site is in maintenance',
    props: { ...base, ...asks('/closed', { contains: 'Welcome' }) },
    host: server(),
  },
  {
    name: 'does not test an app on another host',
    props: { ...base, ...asks('/closed-elsewhere', { contains: 'Welcome' }) },
    host: server(),
  },
  {
    name: 'accepts an expected status',
    props: { ...base, ...asks('/gone', { statusMin: 404, statusMax: 404 }) },
    host: server(),
  },
  {
    name: 'retries until it answers',
    props: { ...base, ...asks('/starting') },
    host: server(2),
    unpredictable: true,
  },
  {
    name: 'fails at an unexpected status',
    props: { ...base, ...asks('/gone') },
    host: server(),
    fails:
      /site did not pass its smoke test: http:\/\/127\.0\.0\.1:8081\/gone: it answered with HTTP status 404, for 3/,
  },
  {
    name: 'fails at an answer without the text',
    props: { ...base, ...asks('/', { contains: 'Hello' }) },
    host: server(),
    fails: /does not contain 'Hello'/,
  },
  {
    name: 'fails if no server answers',
    props: { ...base, ...asks('/down') },
    host: server(),
    fails: /smoke test: .*\/down/,
  },
  {
    name: 'accepts a command',
    props: { ...base, commands: ['bin/smoke', ['bin/more', 'a b']] },
    host: server(),
    then: (t, on) => t.equal(on.readText('/srv/log'), `bin/more a b in ${release}\n`),
  },
  {
    name: 'fails if the command fails',
    props: { ...base, commands: [['fail']] },
    host: server(),
    fails: /status 1.*it does not work/s,
  },
  {
    name: 'fails as root',
    props: { ...base, commands: ['x'] },
    host: { ...server(), self: undefined },
    fails: /would run as root/,
  },
])

/** Activates a release and runs its smoke test. */
function plan(command: string, live?: string) {
  return planOf((r) => {
    const current = symlink(r, { path: '/srv/current', target: release })
    smoke_test(r, { ...base, commands: [[command]], rollback: true, ...(live ? { live } : {}), when: [current] })
  })
}

t.test('a failure requests a rollback of the new release, also after an interrupted run', async (t) => {
  const on = new VirtualHost(server())
  on.given('/srv', null)
  const before = '/srv/site/releases/000001-00000000'
  t.match(failureOf(await run(plan('fail', before), on)), { code: 'SMOKE_TEST_FAILED', recovery: 'rollback' })
  t.match(
    failureOf(await run(plan('fail', release), on)),
    { recovery: 'rollback' },
    'now it is current, and its test has not passed yet',
  )
  t.strictSame(failureOf(await run(plan('smoke', release), on)), undefined)
  t.strictSame(patchOf(await run(plan('smoke', release), on)), [])
  const { recovery, hint } = failureOf(await run(plan('fail', release), on)) as { recovery?: string; hint?: string }
  t.equal(recovery, undefined, 'a new test does not fail a release that passed before')
  t.match(hint, /deploy again, or roll back$/)
})

t.test('bypasses the cache', async (t) => {
  const message = async (path: string) => {
    const host = new VirtualHost(server())
    const report = await run(
      planOf((r) => void smoke_test(r, { ...base, ...asks(path) })),
      host,
    )
    return report.resources.find(({ failure }) => failure !== undefined)?.failure?.message
  }
  t.match(await message('/kept'), 'it answered with HTTP status 500')
  t.match(await message('/kept-without-query'), 'a cache answered (Age: 7), and not the app')
  t.equal(await message('/'), undefined)
})

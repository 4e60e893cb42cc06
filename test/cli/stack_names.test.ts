/** Tests that unknown names of hosts, layers and apps are all reported at once, before any connection to a host. */
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const scm = { repository: '/srv/site.git' }

/** Makes a stack whose hosts are all unreachable. */
function placeOf(t: Test, states: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = new Sandbox(t)
  const names = ['db1', 'web1', 'web2', 'web3']
  const hosts = Object.fromEntries(
    names.map((name, at) => [name, { address: `192.0.2.${at + 1}`, layers: [name.startsWith('db') ? 'db' : 'web'] }]),
  )
  const stack = {
    name: 'site',
    layers: { db: { roles: ['zeo-server'] }, web: { roles: ['zeo-client'] } },
    hosts: { ...hosts, old1: { address: '192.0.2.9', layers: ['web'], status: 'stopped' } },
    apps: { zeoserver: { scm }, plone_instances: { scm } },
  }
  const known = Object.fromEntries(Object.entries(states).map(([name, status]) => [name, { status }]))
  sandbox.write({ 'stack.json': JSON.stringify(stack), '.converge/site/state.json': JSON.stringify({ hosts: known }) })
  return sandbox
}

t.test('reports names that the stack does not have', async (t) => {
  const sandbox = placeOf(t)
  const before = sandbox.snapshot()
  const words = 'stack deploy --layer wed --host web4,old1 --app shop --limit we*,!web33 --revision v2'
  const { status, stdout, stderr } = await sandbox.converge(words.split(' '), { bare: true })
  t.equal(status, 2)
  t.equal(stdout, '')
  t.equal(
    stderr,
    `error: the stack site has no layer wed
  hint: did you mean web?
error: the stack site has no host web4
  hint: did you mean web1?
error: old1 is stopped in the stack file
  hint: remove its status from the stack file first
error: the stack site has no app shop
  hint: there are: zeoserver, plone_instances
error: --limit !web33: the stack site has no such host
  hint: did you mean web3?
`,
  )
  t.strictSame(sandbox.snapshot(), before)
})

t.test('refuses --revision for more than one app', async (t) => {
  const { status, stderr } = await placeOf(t).converge(['stack', 'deploy', '--revision', 'v2'], { bare: true })
  t.equal(status, 2)
  t.match(
    stderr,
    /^error: --revision is that of one app\n {2}hint: name the app with --app NAME: zeoserver, plone_instances\n$/,
  )
})

t.test('refuses filters that match no host', async (t) => {
  const none = async (states: Readonly<Record<string, string>>, ...args: string[]) => {
    const { status, stderr } = await placeOf(t, states).converge(['stack', 'configure', ...args], { bare: true })
    t.equal(status, 2)
    return stderr
  }
  t.match(
    await none({}, '--layer', 'db', '--limit', 'web*'),
    /^error: no host matches the selection\n {2}hint: .*web\[1-3\]/,
  )
  t.match(
    await none({ db1: 'stopped' }, '--layer', 'db'),
    /^error: no host matches the selection\n {2}hint: .*; stopped, or shut down until setup or --host names them: db1, old1/,
  )
})

/** Tests the custom JSON of one deployment, as `converge stack` reads it before any connection. */
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

function placeOf(t: Test, json: string): Sandbox {
  const sandbox = new Sandbox(t)
  const stack = {
    name: 'site',
    layers: { web: { roles: ['zeo-client'] } },
    hosts: { web1: { address: '127.0.0.1', port: 1, layers: ['web'] } },
    apps: { plone_instances: { scm: { repository: '/srv/site.git' } } },
  }
  sandbox.write({ 'stack.json': JSON.stringify(stack), 'once.json': json, secret: 'not to be read' })
  return sandbox
}

const plan = (sandbox: Sandbox, ...args: string[]) =>
  sandbox.converge(['stack', 'plan', '--event', 'deploy', ...args], { bare: true })

t.test('mistakes are reported with their lines, before any connection', async (t) => {
  for (const [json, message] of [
    ['{\n  "plone_instances": { "per_cpu": "many" } }', /once\.json:2:\d+: plone_instances\.per_cpu/],
    ['{ "plone_instances": ', /once\.json:1:\d+/],
    ['[1]', /once\.json/],
  ] as const) {
    const { status, stdout, stderr } = await plan(placeOf(t, json), '--json', 'once.json')
    t.equal(status, 2, json)
    t.match(stdout + stderr, message)
    t.notMatch(stdout + stderr, /connect/, 'no connection')
  }
  const absent = await plan(placeOf(t, '{}'), '--json', 'absent.json')
  t.equal(absent.status, 2)
  t.match(absent.stderr, /--json absent\.json/)
})

t.test('valid attributes lead to a connection; standard input is read too', async (t) => {
  const given = await plan(placeOf(t, '{ "plone_instances": { "per_cpu": 2 } }'), '--json', 'once.json')
  t.match(given.stdout + given.stderr, /web1/)
  t.equal(given.status, 1, 'the host cannot be reached')
})

t.test('a reference is no reference here, and its file is not read', async (t) => {
  const json = '{ "plone_instances": { "site_id": { "$file": "secret" } } }'
  const { status, stdout, stderr } = await plan(placeOf(t, json), '--json', 'once.json')
  t.equal(status, 2)
  t.match(stdout + stderr, /site_id/)
  t.notMatch(stdout + stderr, /not to be read/)
})

t.test('values of secret names are masked', async (t) => {
  const json = '{ "own": { "api_token": "tok-4711-abc" }, "plone_instances": { "per_cpu": "tok-4711-abc" } }'
  const { stdout, stderr } = await plan(placeOf(t, json), '--json', 'once.json', '--verbose')
  t.match(stdout + stderr, /per_cpu/)
  t.notMatch(stdout + stderr, /4711/)
})

/** Tests the test kit of recipes: plan, converge and verify of a role on a host in memory. */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import {
  defineAttributes,
  defineResource,
  directory,
  execute,
  file,
  type NodeWith,
  packages,
  role,
  secret,
  service,
  user,
  z,
} from 'converge-engine'
import { assertSnapshot, converge, plan, TestHost, verify } from 'converge-engine/testing'
import t from 'tap'
import { scratch } from '../support/machine.ts'

const shop = defineAttributes(
  'kit_shop',
  z.object({ workers: z.number().default(2), password: secret(z.string().default('none')) }),
)

const web = role<NodeWith<typeof shop>>('shop', {
  doc: 'A shop',
  setup(r) {
    packages(r, { names: ['nginx'] })
    user(r, { name: 'shop' })
  },
  deploy(r, node) {
    directory(r, { path: '/etc/shop' })
    const { workers, password } = node.kit_shop
    const conf = file(r, {
      path: '/etc/shop/shop.conf',
      content: `workers = ${workers}\npassword = ${password}\n`,
      mode: '0640',
      owner: 'shop',
    })
    execute(r, { name: 'check', command: ['shop', 'check', '/etc/shop/shop.conf'], when: [conf] })
    service(r, { name: 'nginx', enabled: true })
  },
})
const host = { commands: { 'shop check': {} } }
const password = 'kit-s3cret'

const expectedSnapshot = `run of shop: setup, deploy

~ package nginx
    nginx: "absent" -> "installed"
~ user shop
    homeDirectory: "present"
    exists: false -> true
+ directory /etc/shop
+ file /etc/shop/shop.conf
    owner: "shop"
    mode: "0640"
~ execute check
    runs: 0 -> 1
~ service nginx
    enabled: false -> true
    state: "stopped" -> "running"

/etc/group: file 0644 root:root
   root:x:0:
  +shop:x:1001:

/etc/passwd: file 0644 root:root
   root:x:0:0:root:/root:/bin/bash
  +shop:x:1001:1001::/home/shop:/bin/sh

/etc/shop: new directory 0755 root:root

/etc/shop/shop.conf: new file 0640 shop:root
  | workers = 2
  | password = ********

/home/shop: new directory 0755 shop:shop
`

t.test('a plan reports what would change, and does not change the host', async (t) => {
  const run = await plan(web, { attributes: { kit_shop: { workers: 4, password } }, host })
  run.assertResource(file, '/etc/shop/shop.conf', { mode: '0640', content: 'workers = 4\npassword = kit-s3cret\n' })
  run.assertNoResource(file, '/etc/other')
  t.equal(run.resource('package', 'nginx').outcome, 'planned')
  run.host.assertAbsent('/etc/shop')
  t.strictSame(run.host.changes, [])
})

t.test('a run changes the host', async (t) => {
  const { host: after, resources, warnings } = await converge(web, { host })
  after.assertFile('/etc/shop/shop.conf', { content: /workers = 2/, mode: '0640', owner: 'shop' })
  after.assertDirectory('/etc/shop', { mode: '0755', owner: 'root', group: 'root' })
  after.assertService('nginx', 'running', true)
  await after.assertInstalled('nginx', '1.0')
  after.assertRan(['shop', 'check'])
  t.strictSame(warnings, [])
  t.strictSame(
    resources.map(({ name, outcome }) => `${outcome} ${name}`),
    [
      'changed package nginx',
      'changed user shop',
      'changed directory /etc/shop',
      'changed file /etc/shop/shop.conf',
      'changed execute check',
      'changed service nginx',
    ],
  )
})

t.test('a further run on the same host changes what differs, and nothing else', async () => {
  const { host: after } = await verify(web, { host })
  const second = await converge(web, { host: after, attributes: { kit_shop: { workers: 3 } } })
  second.assertChanged(['file /etc/shop/shop.conf', 'execute check'])
  const third = await converge(web, { host: after, attributes: { kit_shop: { workers: 3 } } })
  third.assertUnchanged()
})

t.test('a snapshot is a text for reviewers, without secrets', async (t) => {
  const text = (
    await converge(web, { host, event: ['setup', 'deploy'], attributes: { kit_shop: { password } } })
  ).snapshot()
  t.equal(text, expectedSnapshot)
  t.notMatch(text, 'kit-s3cret')
  const path = `${scratch(t)}/shop.snapshot.txt`
  const url = pathToFileURL(path)
  t.throws(() => assertSnapshot(text, url), /does not exist; store it with converge test --update-snapshots/)
  writeFileSync(path, text)
  assertSnapshot(text, url)
  writeFileSync(path, `${text}more\n`)
  t.throws(() => assertSnapshot(text, url), /differs from/)
  process.env.CONVERGE_UPDATE_SNAPSHOTS = '1'
  t.teardown(() => delete process.env.CONVERGE_UPDATE_SNAPSHOTS)
  assertSnapshot(text, url)
  delete process.env.CONVERGE_UPDATE_SNAPSHOTS
  assertSnapshot(text, url)
})

t.test('a mistake of a role is an AssertionError that names it', async (t) => {
  const other = role('other', {
    deploy(r) {
      file(r, { path: '/absent/x', content: 'x' })
    },
  })
  await t.rejects(converge(other), {
    name: 'AssertionError',
    message: /^file \/absent\/x failed: .*role_run\.test\.ts:\d+.*\nhint: /s,
  })
  await t.rejects(plan(web, { attributes: { kit_shop: { workers: 'many' as never } } }), { code: 'INVALID_ATTRIBUTE' })
  const run = await plan(web, { host })
  t.throws(
    () => run.resource(file, '/etc/shop/shop.cnf'),
    /does not declare .*; the nearest is file \/etc\/shop\/shop\.conf/,
  )
  t.throws(() => run.assertResource('file', '/etc/shop/shop.conf', { mode: '0600' }), /shop.conf has another mode/)
  t.throws(() => run.assertNoResource(file, '/etc/shop/shop.conf'), /the role declares file/)
  t.throws(() => run.assertUnchanged(), /the changed resources are: package nginx, /)
  t.throws(() => run.host.assertFile('/etc/motd', 'x'), /\/etc\/motd is absent, not a file/)
  t.throws(() => run.host.assertService('nginx', 'running'), /there is no service nginx/)
  t.throws(() => run.host.assertRan(['nginx']), /no command began with: nginx; 0 ran/)
  await t.rejects(run.host.assertInstalled('nginx'), /the package nginx is not installed/)
})

t.test('verify names what a second run changes, and what a dry run does not announce', async (t) => {
  let round = 0
  const restless = defineResource(
    {
      type: 'restless',
      doc: 'Changes in each run',
      examples: [],
      key: () => 'x',
      props: z.strictObject({}),
      state: z.strictObject({ round: z.number() }),
    },
    {
      read: (h) => ({ round: Number(h.readText('/etc/round') ?? 0) }),
      desired: (_, now) => ({ round: Math.max(round, now.round) }),
      apply: (h, _, { desired }) => h.writeFile('/etc/round', `${desired.round}`),
    },
  )
  const roleWithCounts = (dry: number, first: number, second: number) => {
    let runs = 0
    return role('counting', {
      deploy(r) {
        round = [dry, first, second][runs++] ?? 0
        restless(r, {})
      },
    })
  }
  await verify(roleWithCounts(1, 1, 1))
  await t.rejects(
    verify(roleWithCounts(1, 1, 2)),
    /^AssertionError.*the second run made changes: restless x|the second run made changes: restless x/,
  )
  await t.rejects(verify(roleWithCounts(0, 1, 1)), /the run made changes that the dry run did not announce: restless x/)
})

t.test('the state of a host is given in its options', async (t) => {
  const given = new TestHost({
    files: {
      '/etc/a': 'text',
      '/srv/empty': null,
      '/srv/link': { link: '/etc/a' },
      '/home/deploy/key': { content: 'k', mode: '0600', owner: 'deploy' },
    },
    accounts: ['deploy', { name: 'solr', uid: 500, home: '/var/lib/solr', shell: '/bin/false' }],
    groups: { adm: ['deploy'] },
    packages: { nginx: '1.22' },
    services: { nginx: 'stopped', cron: { enabled: false } },
    packageContents: { redis: { version: '7.0', files: { '/usr/bin/redis': '' }, services: ['redis-server'] } },
    commands: {
      'nginx -t': { status: 1, stderr: 'bad' },
      nginx: (argv, h) => ({ stdout: String(h.given('/x', argv[1] ?? '').readText('/x')) }),
    },
    requests: ({ port }) => (port === 80 ? { status: 200, headers: {}, body: 'hello' } : null),
    user: 'deploy',
  })
  given.assertLink('/srv/link', '/etc/a')
  given.assertDirectory('/srv/empty')
  given.assertFile('/home/deploy/key', { mode: '0600', owner: 'deploy', group: 'deploy' })
  given.assertService('cron', 'running', false)
  t.equal(given.account('solr')?.shell, '/bin/false')
  t.strictSame(given.groupNamed('adm')?.members, ['deploy'])
  t.equal(given.isRoot, false)
  await given.assertInstalled('nginx', '1.22')
  t.equal((await given.query(['nginx', 'v'])).stdout, 'v')
  await t.rejects(given.query(['nginx', '-t', '-q']), { message: /exited with status 1/ })
  await t.rejects(given.query(['gzip', 'x']), { code: 'NO_PROGRAM', hint: /script its answer/ })
  t.equal((await given.request({ port: 80 })).body, 'hello')
  t.equal(await given.listening(81), false)
  t.throws(() => new TestHost({ user: 'jane' }), /the test host has no account jane/)
  const store = role('store', {
    deploy(r) {
      packages(r, { names: { redis: '7.0' } })
      service(r, { name: 'redis-server' })
    },
  })
  const { host: after } = await converge(store, {
    host: { packageContents: { redis: { version: '7.0', services: ['redis-server'] } } },
  })
  after.assertService('redis-server', 'running', false)
  await t.rejects(
    converge(role('wrong', { deploy: (r) => packages(r, { names: { redis: '8.0' } }) }), { host: after }),
    /no version 8.0/,
  )
})

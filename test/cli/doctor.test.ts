/** Tests `doctor`: it finds and reports everything that is missing, and its remedies work. */
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { freePort, needs } from '../support/machine.ts'
import { type RunOptions, Sandbox } from '../support/program.ts'

const both = ['--role', 'zeo-server,zeo-client', '--json', 'site.json', '--prefix', 'site']

function sandboxWithFiles(t: Test, json?: object, files: Readonly<Record<string, string>> = baseFile): Sandbox {
  const sandbox = new Sandbox(t)
  const repository = gitRepository(sandbox, files)
  const scm = { scm_type: 'git', repository }
  const complete = { plone_instances: { instance_count: 1 }, deploy: { zeoserver: { scm }, plone_instances: { scm } } }
  sandbox.write({ 'site.json': JSON.stringify(json ?? complete) })
  fs.chmodSync(sandbox.directory, 0o777)
  return sandbox
}

/** A repository with one commit that every account can read. */
const baseFile = { 'cfg/base.cfg': '[buildout]\nparts =\n' }

function gitRepository(sandbox: Sandbox, files: Readonly<Record<string, string>>): string {
  const at = sandbox.at('site.git')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-C', at, ...args], { stdio: 'ignore' })
  sandbox.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`site.git/${name}`, text])))
  git('init', '--quiet', '--initial-branch=main')
  git('add', '.')
  git('commit', '--quiet', '-m', 'first')
  return at
}

interface Reported {
  readonly what: string
  readonly status: string
  readonly met: boolean
  readonly detail: string
  readonly remedy?: string
}

async function reported(sandbox: Sandbox, args: readonly string[], options: RunOptions = {}): Promise<Reported[]> {
  const { stdout, stderr } = await sandbox.converge([...args, '--json-output'], options)
  if (!stdout.startsWith('{')) throw new Error(`${stdout}${stderr}`)
  return (JSON.parse(stdout) as { needs: Reported[] }).needs
}

/** Matches the ports of a site that may run on the tester's system; these tests ignore them. */
const isUsualPort = (what: string) => /^port (8001|80[89]\d)$/.test(what)

const bad = (all: readonly Reported[]) =>
  all.filter(({ met, what }) => !met && !isUsualPort(what)).map(({ what }) => what)

/** Runs a test as the present account and, if that is root, also as an ordinary user. */
function asEach(name: string, test: (t: Test, options: RunOptions) => Promise<void>): void {
  t.test(name, (t) => test(t, {}))
  t.test(`${name}, as an ordinary user`, async (t) => {
    if (needs(t, ['root', 'nobody'])) await test(t, { account: 'nobody' })
  })
}

asEach('reports that a host meets all requirements', async (t, options) => {
  if (!needs(t, ['git', 'python3 venv', 'crontab'])) return
  const sandbox = sandboxWithFiles(t)
  const before = sandbox.snapshot()
  const { status, stdout, stderr } = await sandbox.converge(['doctor', ...both], options)
  t.equal(stderr, '')
  for (const what of ['rights', 'git', 'python3', 'python venv', 'crontab', 'deploy.zeoserver.scm.repository'])
    t.match(stdout, new RegExp(`^ok {7}${what.replaceAll('.', '\\.')}: `, 'm'))
  const found = await reported(sandbox, ['doctor', ...both], options)
  t.strictSame(bad(found), [])
  const complete = found.every(({ met }) => met)
  t.equal(status, complete ? 0 : 1)
  t.equal(/\nthis host has what its roles need\n$/.test(stdout), complete)
  t.strictSame(sandbox.snapshot(), before, 'doctor changes nothing')
})

asEach('reports what is missing, and how to fix it', async (t, options) => {
  const sandbox = sandboxWithFiles(t, { converge: { python: 'python9.9' } })
  const args = ['doctor', '--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  const { status, stdout } = await sandbox.converge(args, options)
  t.equal(status, 1)
  t.match(
    stdout,
    /^missing {2}python9\.9: not on the PATH, and this distribution has no package of that name; converge\.python asks for it \(site\.json:1:\d+\)\n {9}fix: install it by other means as \/usr\/local\/bin\/python9\.9/m,
  )
  t.match(stdout, /^missing {2}python venv: requires python9\.9\n/m)
  t.match(
    stdout,
    /^missing {2}deploy\.plone_instances\.scm\.repository: is not set: there is nothing to deploy\n {9}fix: set it in a file given with --json: \{"deploy": .*\n/m,
  )
  t.notMatch(stdout, /has what its roles need/)
  const machine = await sandbox.converge([...args, '--json-output'], options)
  t.equal(machine.status, 1)
  t.strictSame(bad(await reported(sandbox, args, options)), [
    'deploy.plone_instances.scm.repository',
    'python9.9',
    'python venv',
  ])
})

t.test('reports a repository that git refuses', async (t) => {
  const sandbox = sandboxWithFiles(t)
  sandbox.write({
    'site.json': JSON.stringify({ deploy: { plone_instances: { scm: { repository: 'srv/site.git' } } } }),
  })
  const args = ['doctor', '--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  const { status, stderr } = await sandbox.converge(args)
  t.equal(status, 2)
  t.match(
    stderr,
    /site\.json:1:\d+: deploy\.plone_instances\.scm\.repository: expected the address of a git repository/,
  )
})

t.test('asks the repository although the commit is known, as on a host of a stack', async (t) => {
  if (!needs(t, ['git'])) return
  const directory = sandboxWithFiles(t)
  const scm = { repository: 'git://127.0.0.1:1/site', commit: '1a2b3c4d'.repeat(5) }
  directory.write({ 'site.json': JSON.stringify({ deploy: { plone_instances: { scm } } }) })
  const args = ['doctor', '--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  const { status, stdout } = await directory.converge(args)
  t.equal(status, 1)
  t.match(
    stdout,
    /^missing {2}deploy\.plone_instances\.scm\.repository: cannot list the branches and tags of git:\/\/127\.0\.0\.1:1\/site: .*\n {9}fix: the network: /m,
  )
})

t.test('reports what an ordinary user may not do', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const sandbox = sandboxWithFiles(t)
  const system = await sandbox.converge(['doctor', '--role', 'zeo-client', '--json', 'site.json'], {
    account: 'nobody',
  })
  t.equal(system.status, 1)
  t.match(
    system.stdout,
    /^missing {2}rights: nobody may not change the system\n {9}fix: run as root \(sudo converge \.\.\.\), or give --prefix DIR\n/,
  )
  fs.chmodSync(sandbox.directory, 0o755)
  const below = await sandbox.converge(['doctor', ...both], { account: 'nobody' })
  t.equal(below.status, 1)
  const sudo = spawnSync('which', ['sudo']).status === 0
  const commands = [`mkdir -p ${sandbox.at('site')}`, `chown nobody ${sandbox.at('site')}`]
  const remedy = sudo ? commands.map((one) => `sudo ${one}`).join(' && ') : `as root: ${commands.join(' && ')}`
  t.ok(
    below.stdout.startsWith(
      `missing  rights: ${sandbox.directory} is not writable for nobody\n         fix: ${remedy}\n`,
    ),
    below.stdout,
  )
  for (const command of commands) spawnSync('sh', ['-c', command])
  t.strictSame(bad(await reported(sandbox, ['doctor', ...both], { account: 'nobody' })), [], 'the remedy helps')
})

t.test('an ordinary user where root runs supervisord: reports everything but the programs', async (t) => {
  if (!needs(t, ['root', 'nobody', 'git', 'python3 venv'])) return
  const sandbox = sandboxWithFiles(t)
  fs.mkdirSync(sandbox.at('site/var/run'), { recursive: true })
  const socket = sandbox.at('site/var/run/supervisor.sock')
  await listen(t, (server) => server.listen(socket))
  fs.chmodSync(socket, 0o700)
  fs.chmodSync(sandbox.at('site'), 0o777)
  const found = await reported(sandbox, ['doctor', ...both], { account: 'nobody' })
  t.strictSame(bad(found), ['running supervisord'])
  t.match(
    found.find(({ what }) => what === 'running supervisord'),
    { status: 'unknown', detail: /^could not be checked: this account may not talk to supervisord at / },
  )
  const { status, stdout } = await sandbox.converge(['doctor', ...both], { account: 'nobody' })
  t.equal(status, 1)
  t.match(stdout, /^ok {7}git: /m)
  t.match(stdout, /^unknown {2}running supervisord: could not be checked: /m)
  t.match(stdout, /\n(\d+ missing, )?1 could not be checked(, \d+ warnings?)?\n$/)
})

t.test('attributes that one role refuses: checks the other roles too', async (t) => {
  const sandbox = sandboxWithFiles(t, { jetty_app: { war: { file: '/nowhere/a.war', path: 'b.war' } } })
  const args = ['doctor', '--role', 'jetty-app,zeo-client', '--json', 'site.json', '--prefix', 'site']
  const found = await reported(sandbox, args)
  t.match(
    found.find(({ what }) => what === 'attributes of jetty-app'),
    {
      status: 'missing',
      detail: 'jetty_app.war has file and path',
      remedy: 'keep one of them: jetty_app.war.file or jetty_app.war.path',
    },
  )
  t.ok(bad(found).includes('/nowhere/a.war'))
  t.ok(found.some(({ what }) => what === 'python3'))
})

t.test('reports a port that another program uses, and one that two roles use', async (t) => {
  if (!needs(t, ['proc'])) return
  const port = await freePort()
  await listen(t, (server) => server.listen(port, '127.0.0.1'))
  const sandbox = sandboxWithFiles(t, { port_app: { ports: [port, 9091] }, jetty_app: { ports: [9092, 9091] } })
  const args = ['doctor', '--role', 'port-app,jetty-app', '--json', 'site.json', '--prefix', 'site']
  const found = await reported(sandbox, args)
  t.match(
    found.find(({ what }) => what === `port ${port}`),
    {
      status: 'missing',
      detail: new RegExp(`^taken by \\S+ \\(process ${process.pid} of \\S+\\), and port_app needs it$`),
      remedy: new RegExp(`^stop that program \\(kill ${process.pid}\\), or give port_app another port`),
    },
  )
  t.match(
    found.find(({ what }) => what === 'port 9091'),
    { status: 'missing', detail: 'port_app and jetty_app both listen on port 9091' },
  )
})

t.test('reports a balancer without backends, and a ZEO server whose name does not resolve', async (t) => {
  const zeo = { address: 'zeo.nowhere.invalid:8001' }
  const sandbox = sandboxWithFiles(t, { plone_instances: { instance_count: 1, zeo } })
  const args = ['doctor', '--role', 'zeo-client,frontend', '--json', 'site.json', '--prefix', 'site']
  const found = await reported(sandbox, args)
  t.match(
    found.find(({ what }) => what === 'server zeo.nowhere.invalid:8001'),
    { status: 'missing', detail: /no address is known for that name/ },
  )
})

t.test(
  'reports mistakes in the buildout files of the repository: the base, the pin of zc.buildout, blobs',
  async (t) => {
    const cfg = `[buildout]
extends =
    versions.cfg
parts =
[client1]
shared-blob = on
blob-storage = \${buildout:directory}/var/blobstorage
`
    const sandbox = sandboxWithFiles(t, undefined, {
      'cfg/base.cfg': cfg,
      'cfg/versions.cfg': '[versions]\nzc.buildout = 3.1.0\n',
    })
    const site = JSON.parse(fs.readFileSync(sandbox.at('site.json'), 'utf8'))
    const run = (more: object) => {
      sandbox.write({ 'more.json': JSON.stringify(more) })
      return reported(sandbox, ['doctor', ...both, '--json', 'more.json'])
    }
    const one = (all: readonly Reported[], what: string) => all.find((found) => found.what === what)
    const found = await run({})
    t.match(one(found, 'plone_zeoserver.base_config'), { status: 'ok' })
    t.match(one(found, 'zc.buildout of zeoserver'), {
      status: 'warning',
      remedy: 'set deploy.zeoserver.buildout_version to "3.1.0"',
    })
    t.match(one(found, 'shared blobs'), { status: 'missing', detail: /every upload fails/ })
    const repaired = await run({
      deploy: { zeoserver: { ...site.deploy.zeoserver, buildout_version: '3.1.0' } },
      plone_instances: { shared_blobs: false },
    })
    t.match(one(repaired, 'zc.buildout of zeoserver'), { status: 'ok' })
    t.equal(one(repaired, 'shared blobs'), undefined)
    t.equal(one(await run({ plone_blobs: { blob_dir: '/srv/blobs' } }), 'shared blobs'), undefined)
    const other = await run({ plone_zeoserver: { base_config: 'other.cfg' }, plone_instances: { nfs_blobs: true } })
    t.match(one(other, 'plone_zeoserver.base_config'), { status: 'missing', detail: 'the repository has no other.cfg' })
    t.match(one(other, 'mounted blobs'), {
      status: 'missing',
      detail: /nfs_blobs is set, but no network file system is mounted/,
    })
  },
)

t.test('a missing Python 2.7: doctor, plan and a run report it before any change', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const scm = { repository: sandbox.at('site.git') }
  sandbox.write({ 'site.json': JSON.stringify({ deploy: { zeoserver: { python_major_version: '2.99', scm } } }) })
  const args = ['--role', 'zeo-server', '--json', 'site.json', '--prefix', 'site']
  const found = await reported(sandbox, ['doctor', ...args])
  t.match(
    found.find(({ what }) => what === 'python2.99'),
    { status: 'missing', detail: /python_major_version asks for it \(site\.json:1:\d+\)/ },
  )
  for (const command of ['plan', 'apply']) {
    const { status, stderr } = await sandbox.converge([command, ...args])
    t.equal(status, 2)
    t.match(
      stderr,
      /site\.json:1:\d+: deploy\.zeoserver\.python_major_version asks for python2\.99, and this host has none/,
    )
    t.notOk(fs.existsSync(sandbox.at('site')))
  }
})

t.test('checks every role within a few seconds', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const all = 'base,zeo-server,zeo-client,solr,celerybeat,relstorage-pack,frontend,port-app,jetty-app,php-app'
  const start = process.hrtime.bigint()
  const found = await reported(sandbox, ['doctor', '--role', all, '--json', 'site.json', '--prefix', 'site'])
  t.comment(`${(process.hrtime.bigint() - start) / 1_000_000n} ms`)
  for (const what of [
    'git',
    'python3',
    '/usr/sbin/nginx',
    '/usr/sbin/haproxy',
    'crontab',
    'disk space',
    'clock',
    'rights',
  ])
    t.equal(found.filter((one) => one.what === what).length, 1, what)
})

async function listen(t: Test, start: (server: Server) => void): Promise<void> {
  const server = createServer((socket) => socket.destroy())
  t.teardown(() => server.close())
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve).once('error', reject)
    start(server)
  })
}

t.test('a plan fails for a base configuration that the repository does not have', async (t) => {
  const sandbox = sandboxWithFiles(t, undefined, { 'cfg/base.cfg': '[buildout]\n' })
  const args = ['plan', '--role', 'zeo-server', '--json', 'site.json', '--json', 'more.json', '--prefix', 'site']
  const run = (base_config: string) => {
    // As root, a run below a prefix creates no account.
    const account = { user: 'www-data', group: 'www-data', home: '/var/www', shell: '/usr/sbin/nologin' }
    sandbox.write({ 'more.json': JSON.stringify({ plone_zeoserver: { base_config }, deploy: { zeoserver: account } }) })
    return sandbox.converge(args)
  }
  const wrong = await run('cfg/production.cfg')
  t.not(wrong.status, 0)
  t.match(`${wrong.stdout}${wrong.stderr}`, /the repository of zeoserver has no cfg\/production\.cfg at/)
  t.match(`${wrong.stdout}${wrong.stderr}`, /set plone_zeoserver\.base_config to the buildout file/)
  const right = await run('cfg/base.cfg')
  t.notMatch(`${right.stdout}${right.stderr}`, /has no cfg/)
})

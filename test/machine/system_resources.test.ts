/** Tests the resources on a real system: files, accounts, cron, archives, packages. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import type { CommandResult } from '../../core/host/types.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { group } from '../../resources/accounts/group.ts'
import { user } from '../../resources/accounts/user.ts'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { package_ } from '../../resources/packages/package.ts'
import { failureOf, patchOf, planOf } from '../support/contract.ts'
import { needs, sameAs, scratch } from '../support/machine.ts'
import { hostFor, listFiles, planFor, worlds, writeState } from '../support/random_hosts.ts'
import { lockPackages } from '../support/system_copy.ts'

type Plan = ReturnType<typeof planOf>
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const sh = (command: string, ...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(command, args, { encoding: 'utf8' })
const hostIn = (base: string) => new LocalHost(`${base}/state`)
const run = (plan: Plan, host: LocalHost) => converge(plan, host, { id: 'x', mode: 'run' })
const dryRun = (plan: Plan, host: LocalHost) =>
  converge(plan, new VirtualHost({ base: host }), { id: 'x', mode: 'plan' })

/** Checks that the run does what the plan predicts, and that a second run changes nothing. */
async function checkPlanAndRun(t: Test, plan: Plan, host: LocalHost): Promise<void> {
  const dry = await dryRun(plan, host)
  const real = await run(plan, host)
  t.strictSame(failureOf(real), undefined)
  t.strictSame(patchOf(dry), patchOf(real), 'the dry run predicted the patch')
  t.match(await run(plan, host), { outcome: 'unchanged', resources: [] }, 'a second run finds nothing')
}

t.test('strace shows that a second run writes nothing', async (t) => {
  if (!needs(t, ['strace'])) return
  const base = scratch(t)
  const script = [process.execPath, '--import', 'tsx', pathOf('support/many_files.ts'), base] as const
  const first = sh(...script)
  t.match(JSON.parse(first.stdout || '{}'), { counts: { changed: 203, failed: 0 } }, first.stderr)
  const before = listFiles(hostIn(base), base)
  const trace = `${scratch(t)}/trace`
  const second = sh('strace', '-f', '-s', '400', '-e', 'trace=%file,%desc', '-o', trace, ...script)
  t.match(JSON.parse(second.stdout || '{}'), { counts: { changed: 0, unchanged: 203 } }, second.stderr)
  const calls = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.includes(base))
  t.ok(calls.length > 203, `the trace has ${calls.length} calls on our files`)
  const changing =
    /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|\b(mkdir|rename|unlink|rmdir|link|symlink|chmod|chown|utimens|mknod)/
  t.strictSame(
    calls.filter((line) => changing.test(line.replaceAll(/"[^"]*"/g, ''))),
    [],
  )
  t.strictSame(listFiles(hostIn(base), base), before)
})

t.test('keeps undeclared properties of a file; replaces a link, and does not follow it', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const base = scratch(t)
  const host = hostIn(base)
  writeFileSync(`${base}/kept`, 'old', { mode: 0o640 })
  chownSync(`${base}/kept`, 65534, 65534)
  writeFileSync(`${base}/target`, 'target')
  symlinkSync('target', `${base}/link`)
  mkdirSync(`${base}/real`)
  symlinkSync('real', `${base}/through`)
  const plan = planOf((r) => {
    file(r, { path: `${base}/kept`, content: 'new' })
    file(r, { path: `${base}/link`, content: 'new', mode: '4755', owner: 'nobody' })
    directory(r, { path: `${base}/through`, owner: 'nobody', mode: '1777' })
    directory(r, { path: `${base}/own/deep`, parents: true, owner: 'nobody', mode: '2770' })
  })
  await checkPlanAndRun(t, plan, host)
  t.match(host.lstat(`${base}/kept`), { mode: '0640', uid: 65534, gid: 65534 })
  t.match(host.lstat(`${base}/link`), { kind: 'file', mode: '4755', uid: 65534 })
  t.equal(readFileSync(`${base}/target`, 'utf8'), 'target')
  t.match(host.lstat(`${base}/real`), { mode: '1777', uid: 65534 })
  t.match(host.lstat(`${base}/through`), { kind: 'link', uid: 0 })
  t.match(host.lstat(`${base}/own/deep`), { mode: '2770', uid: 65534 })
  t.strictSame(
    readdirSync(base).filter((name) => name.startsWith('.')),
    [],
    'nothing is left beside',
  )
})

/** The real file system, with stand-ins for the programs of the generated worlds. */
class Machine extends LocalHost {
  override async run(argv: readonly string[]): Promise<CommandResult> {
    const [program, path = ''] = argv
    if (program === 'make' && !existsSync(path)) {
      mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o755 })
      writeFileSync(path, 'made', { mode: 0o644 })
    }
    return { status: 0, stdout: '', stderr: '' }
  }
}

t.test('the host in memory behaves like the real one', async (t) => {
  process.umask(0o022)
  let changed = 0
  await fc.assert(
    fc.asyncProperty(worlds, async ({ specs, state }) => {
      const root = `${scratch(t)}/srv`
      mkdirSync(root)
      writeState(state, root)
      const plan = planFor(specs, root)
      const [real, virtual] = [new Machine(`${root}/../state`), hostFor(state, {}, root)]
      for (const round of [1, 2]) {
        const [done, predicted] = [await run(plan, real), await converge(plan, virtual, { id: 'x', mode: 'run' })]
        // For a link through a file, one host reports a missing file and the other one that the path is not a
        // directory.
        const reason = (message?: string) =>
          message?.replace(/a part of the path is not a directory|no such file or directory/, 'gone')
        const short = ({ resources }: typeof done) =>
          resources.map(({ name, outcome, patch, failure }) => [name, outcome, patch, reason(failure?.message)])
        const [a, b] = [
          JSON.stringify([short(done), listFiles(real, root)]),
          JSON.stringify([short(predicted), listFiles(virtual, root)]),
        ]
        if (a !== b) throw new Error(`round ${round}\nreal    ${a}\nvirtual ${b}`)
        changed += done.counts.changed
      }
    }),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 60) },
  )
  t.ok(changed > 60, `${changed} changes`)
})

t.test('creates, changes and removes an account and its groups', async (t) => {
  if (!needs(t, ['root'])) return
  const base = scratch(t)
  const host = hostIn(base)
  const name = `cvtest-${randomBytes(3).toString('hex')}`
  const other = `${name}-g`
  t.teardown(() => {
    sh('userdel', name)
    for (const one of [name, other]) sh('groupdel', one)
  })
  const home = `${base}/homes/${name}`
  const createdBy = (shell: string) =>
    planOf((r) => {
      group(r, { name: other, system: true })
      user(r, { name, groups: [other], home, shell })
      directory(r, { path: `${base}/his`, owner: name, group: name })
    })
  await checkPlanAndRun(t, createdBy('/bin/sh'), host)
  t.match(sh('id', name).stdout, new RegExp(`uid=\\d+\\(${name}\\) gid=\\d+\\(${name}\\).*${other}`))
  t.equal(host.lstat(home)?.uid, host.account(name)?.uid)
  await checkPlanAndRun(t, createdBy('/bin/bash'), host)
  t.match(sh('getent', 'passwd', name).stdout, `:${home}:/bin/bash`)
  await checkPlanAndRun(
    t,
    planOf((r) => user(r, { name, home: `${base}/moved` })),
    host,
  )
  t.ok(existsSync(`${base}/moved/.profile`) || existsSync(`${base}/moved`), 'the home has moved')
  t.notOk(existsSync(home))
  const gid = 64_000 + Math.floor(Math.random() * 900)
  await checkPlanAndRun(
    t,
    planOf((r) => group(r, { name: other, gid, members: ['nobody', name] })),
    host,
  )
  t.match(sh('getent', 'group', other).stdout, new RegExp(`:${gid}:.*nobody`))
  const gone = planOf((r) => {
    user(r, { name, absent: true, manageHome: true })
    group(r, { name: other, absent: true })
  })
  await checkPlanAndRun(t, gone, host)
  t.not(sh('id', name).status, 0)
  t.notOk(existsSync(`${base}/moved`))
})

t.test('writes the crontab of an ordinary user', async (t) => {
  if (!needs(t, ['root', 'crontab'])) return
  const name = `cvtest-${randomBytes(3).toString('hex')}`
  t.equal(sh('useradd', '--no-create-home', name).status, 0)
  t.teardown(() => {
    sh('crontab', '-r', '-u', name)
    sh('userdel', name)
  })
  sameAs(t, name, pathOf('support/user_crontab.ts'))
})

interface Served {
  readonly url: string
  readonly requestLog: string[]
}

/** Serves a directory; /private only to ann, and /cut with an incomplete answer. */
async function serve(t: Test, base: string): Promise<Served> {
  const requestLog: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requestLog.push(path)
    const login = `Basic ${Buffer.from('ann:s3cr:t-wörd').toString('base64')}`
    if (path.startsWith('/private/') && request.headers.authorization !== login) response.writeHead(401).end()
    else if (path === '/moved') response.writeHead(302, { Location: '/a.tar.gz' }).end()
    else if (path === '/cut') {
      response.writeHead(200, { 'Content-Length': 100_000 }).write('x'.repeat(1000))
      setTimeout(() => response.destroy(), 20)
    } else if (!existsSync(base + path.replace('/private', ''))) response.writeHead(404).end()
    else response.end(readFileSync(base + path.replace('/private', '')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, requestLog }
}

/** Packs a small tree in every archive format, and makes some malicious archives. */
function pack(base: string): string {
  const served = `${base}/served`
  const script = `
    mkdir -p ${served} tree/top/sub && cd tree
    echo A > top/a.egg; echo B > 'top/sub/b ü.egg'; chmod 4755 top/a.egg; ln -s a.egg top/link; ln top/a.egg top/hard
    tar czf ${served}/a.tar.gz top; tar cjf ${served}/b.tar.bz2 top; tar cJf ${served}/c.tar.xz top; tar cf ${served}/d.tar top
    ! command -v zip > /dev/null || zip -qry ${served}/e.zip top
    echo evil > ../evil; tar cPf ${served}/up.tar ../evil; tar cPf ${served}/absolute.tar ${base}/evil
    ln -s /etc out; tar cf ${served}/link.tar out; ln -s ../../../x top/sub/far; ln -s ../a.egg top/sub/near
    tar cf ${served}/far.tar top; mkfifo pipe; tar cf ${served}/pipe.tar pipe
    head -c 200 ${served}/a.tar.gz > ${served}/short.tar.gz; echo '<html>' > ${served}/page.tar.gz`
  const { status, stderr } = spawnSync('bash', ['-ec', script], { cwd: base, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return served
}

t.test('unpacks archives from a server', async (t) => {
  const base = scratch(t)
  const host = hostIn(base)
  const served = pack(base)
  const { url, requestLog } = await serve(t, served)
  const kinds = ['a.tar.gz', 'b.tar.bz2', 'c.tar.xz', 'd.tar', ...(existsSync(`${served}/e.zip`) ? ['e.zip'] : [])]
  for (const name of kinds) {
    const into = `${base}/${name}.d`
    const plan = planOf((r) => archive(r, { url: `${url}/${name}`, into, strip: 1 }))
    await checkPlanAndRun(t, plan, host)
    t.strictSame(readdirSync(into), ['a.egg', 'hard', 'link', 'sub'], name)
    t.equal(readFileSync(`${into}/link`, 'utf8'), 'A\n')
    t.equal(readFileSync(`${into}/sub/b ü.egg`, 'utf8'), 'B\n')
    t.equal(lstatSync(`${into}/a.egg`).mode & 0o7000, 0, 'nothing gets more rights than a file')
  }
  t.equal(requestLog.length, kinds.length, 'each was fetched once')
  t.strictSame(
    readdirSync(base).filter((name) => name.includes('converge')),
    [],
    'nothing is left beside them',
  )

  const digest = createHash('sha256')
    .update(readFileSync(`${served}/a.tar.gz`))
    .digest('hex')
  const failure = async (props: Partial<Parameters<typeof archive>[1]>) =>
    failureOf(
      await run(
        planOf((r) => archive(r, { url: `${url}/a.tar.gz`, into: `${base}/x`, ...props })),
        host,
      ),
    )
  t.match(await failure({ sha256: '0'.repeat(64) }), { code: 'CHECKSUM_MISMATCH', message: new RegExp(digest) })
  t.match(await failure({ url: `${url}/gone.tgz` }), { code: 'DOWNLOAD_FAILED', message: /404/ })
  t.match(await failure({ url: `${url}/cut` }), { code: 'DOWNLOAD_FAILED', message: /is incomplete/ })
  t.match(await failure({ url: 'http://127.0.0.1:1/a' }), { code: 'DOWNLOAD_FAILED', message: /cannot fetch/ })
  t.match(await failure({ url: `${url}/private/a.tar.gz` }), { code: 'DOWNLOAD_FAILED', hint: /user and password/ })
  const wrong = await failure({ url: `${url}/private/a.tar.gz`, user: 'ann', password: 'wrong-word' })
  t.match(wrong, { code: 'DOWNLOAD_FAILED' })
  t.notMatch(JSON.stringify(wrong), 'wrong-word')
  for (const name of ['short.tar.gz', 'page.tar.gz'])
    t.match(await failure({ url: `${url}/${name}` }), { code: 'BAD_ARCHIVE' })
  for (const name of ['up.tar', 'absolute.tar', 'link.tar', 'far.tar', 'pipe.tar'])
    t.match(await failure({ url: `${url}/${name}` }), { code: 'UNSAFE_ARCHIVE' }, name)
  t.notOk(existsSync(`${base}/x`), 'none of them left anything')
  t.strictSame(
    readdirSync(base).filter((name) => name.includes('converge')),
    [],
  )

  for (const props of [
    { url: `${url}/private/a.tar.gz`, user: 'ann', password: 's3cr:t-wörd', sha256: digest },
    { url: `${url.replace('//', `//ann:${encodeURIComponent('s3cr:t-wörd')}@`)}/private/a.tar.gz`, purge: true },
    { url: `${url}/moved`, purge: true },
    {
      url: `file://${served}/d.tar`,
      purge: true,
      sha256: createHash('sha256')
        .update(readFileSync(`${served}/d.tar`))
        .digest('hex'),
    },
  ]) {
    const plan = planOf((r) => archive(r, { into: `${base}/y`, ...props }))
    await checkPlanAndRun(t, plan, host)
    t.strictSame(readdirSync(`${base}/y`), ['top'])
  }
})

t.test('gives an archive to another account, in place of an empty directory', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const base = scratch(t)
  const served = pack(base)
  mkdirSync(`${base}/into`, { mode: 0o750 })
  const plan = planOf((r) =>
    archive(r, { url: `${served}/a.tar.gz`, into: `${base}/into`, owner: 'nobody', group: 'root' }),
  )
  await checkPlanAndRun(t, plan, hostIn(base))
  t.match(lstatSync(`${base}/into/top/sub/b ü.egg`), { uid: 65534, gid: 0 })
  t.equal(lstatSync(`${base}/into`).mode & 0o777, 0o750)
})

t.test('installs, pins and removes a small package', { timeout: 300_000 }, async (t) => {
  if (!needs(t, ['root', 'apt'])) return
  const host = hostIn(scratch(t))
  if (sh('dpkg-query', '-s', 'hello').stdout.includes('ok installed'))
    return t.pass('skipped', { skip: 'hello is installed here, and is left alone' })
  await lockPackages(t)
  t.teardown(() => {
    sh('apt-mark', 'unhold', 'hello')
    sh('apt-get', '-y', 'remove', 'hello')
  })
  await checkPlanAndRun(
    t,
    planOf((r) => package_(r, { names: ['hello', 'dpkg'] })),
    host,
  )
  t.match(sh('hello').stdout, /Hello/)
  const version = /^Version: (.*)$/m.exec(sh('dpkg-query', '-s', 'hello').stdout)?.[1] ?? ''
  t.match(
    await run(
      planOf((r) => package_(r, { names: { hello: version } })),
      host,
    ),
    { outcome: 'unchanged' },
  )
  t.match(
    await run(
      planOf((r) => package_(r, { names: { hello: `${version.slice(0, 2)}*` } })),
      host,
    ),
    { outcome: 'unchanged' },
  )
  const failure = async (names: string[] | Record<string, string>) =>
    failureOf(
      await run(
        planOf((r) => package_(r, { names })),
        host,
      ),
    )
  t.match(await failure(['helo']), {
    code: 'UNKNOWN_PACKAGE',
    message: 'there is no package helo',
    hint: /did you mean/,
  })
  t.match(await failure({ hello: '99.9' }), {
    code: 'UNKNOWN_VERSION',
    hint: new RegExp(version.replaceAll('+', '\\+')),
  })
  sh('apt-mark', 'hold', 'hello')
  t.match(await failure({ hello: '99.9' }), { code: 'PACKAGE_HELD', hint: /apt-mark unhold hello/ })
  t.match(
    await run(
      planOf((r) => package_(r, { names: ['hello'] })),
      host,
    ),
    { outcome: 'unchanged' },
  )
  sh('apt-mark', 'unhold', 'hello')
  await checkPlanAndRun(
    t,
    planOf((r) => package_(r, { names: ['hello'], absent: true })),
    host,
  )
  t.not(sh('hello').status, 0)
})

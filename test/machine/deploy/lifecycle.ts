/** Tests the life of a site: first run, new revisions, changed attributes and rollbacks. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import type { Test } from 'tap'
import { get, put, Watch } from '../../support/deploy_pages.ts'
import type { DeploySite } from '../../support/deploy_site.ts'
import { storeEggs } from '../../support/eggs.ts'
import { unpinned } from '../../support/example_pins.ts'
import { directoryOf, needs } from '../../support/machine.ts'
import { isTaken } from '../../support/wait_until.ts'
import { changedResources, checkFailure, checkPages, client, pids, storedValues } from './steps.ts'

export async function barePlan(t: Test, site: DeploySite): Promise<void> {
  const before = site.files()
  const { output } = await site.done(t, ['plan'])
  t.match(output, /\+ directory .*\/srv\/www\/plone_instances\b/)
  t.match(output, /git_release .*\/zeoserver\/releases/)
  t.notOk(existsSync(site.prefix), 'nothing is written')
  t.strictSame(site.files(), before)
  await checkFailure(t, await site.converge(['status']), /plone_instances-client1/, /last run\s+none/)
}

export async function firstRun(t: Test, site: DeploySite): Promise<void> {
  const plan = await site.done(t, ['plan', '--json-output'])
  const run = await site.done(t, ['--json-output'])
  t.strictSame(changedResources(run), changedResources(plan), 'the run makes the planned changes')
  storeEggs(`${site.directory()}/shared`)
  const egg = (app?: 'zeoserver') => {
    const eggs = `${site.directory(app)}/shared/eggs/v5`
    const [path = ''] = readdirSync(eggs, { recursive: true, encoding: 'utf8' }).filter((one) =>
      /\/ZODB-.*\/POSException\.py$/.test(one),
    )
    return statSync(`${eggs}/${path}`).ino
  }
  t.equal(egg(), egg('zeoserver'), 'server and clients share the eggs that both need')
  for (const python of ['3.11', '3.12', '3.13'])
    t.strictSame(unpinned(`${site.directory()}/shared/eggs`, python), [], `each package has a pin for Python ${python}`)
  t.comment(`the first run took ${run.seconds.toFixed(1)} s`)
  await checkPages(t, site, '1')
  t.equal((await site.releases()).length, 1)
  t.ok(site.isComplete(site.currentPath() ?? ''), 'the current release is complete')
  t.strictSame(await site.status(), {
    status: 0,
    up: ['zeoserver', 'plone_instances-client1', 'plone_instances-client2'],
  })
}

/** Leaves out logs, in which the services record readiness checks. */
function withoutLogs(files: readonly string[]): string[] {
  return files.filter((file) => !file.includes('/shared/var/log/'))
}

export async function secondRun(t: Test, site: DeploySite): Promise<void> {
  const running = await pids(site)
  const before = await site.settledFiles()
  const { output, seconds } = await site.done(t, [])
  t.match(output, /^nothing to do: \d+ unchanged/m)
  t.strictSame(withoutLogs(site.files()), withoutLogs(before), 'nothing is written outside of the state directory')
  t.comment(`nothing to do took ${seconds.toFixed(2)} s`)
  t.match((await site.done(t, ['plan', '--detailed-exit-code'])).output, /^nothing to do/m)
  t.strictSame(await pids(site), running)
}

/** System calls that change files, and those that open a file for writing. */
const writing =
  /^(?:(?:unlink|rename|mkdir|rmdir|link|symlink|f?chmod|[fl]?chown|truncate|utime|mknod|creat)\w*\(|open(?:at)?\(.*O_(?:WRONLY|RDWR|CREAT|TRUNC))/

export async function onlyRepositoryQuery(t: Test, site: DeploySite): Promise<void> {
  if (!needs(t, ['strace'])) return
  const trace = directoryOf(site.root, 'trace', site.account.name)
  const through = ['strace', '-ff', '-qq', '-s', '300', '-e', 'trace=%file', '-o', `${trace}/t`]
  t.match((await site.done(t, ['deploy'], { ...client, through })).output, /^nothing to do/m)
  const calls = readdirSync(trace)
    .flatMap((name) => readFileSync(`${trace}/${name}`, 'utf8').split('\n'))
    .filter((line) => !/ = -1 E/.test(line))
  const elsewhere = calls.filter(
    (line) => writing.test(line) && !line.includes(`"${site.state}`) && !line.includes('"/dev/'),
  )
  t.strictSame(elsewhere, [], 'nothing is opened for writing outside of the state directory')
  const programs = calls.flatMap(
    (line) => /^execve\("[^"]*\/([^"/]+)", \[(.*)\]/.exec(line)?.slice(1, 3).join(' ') ?? [],
  )
  t.equal(programs.length, 2, 'one process besides converge itself')
  t.match(programs[1], /^git .*"ls-remote"/)
}

export async function writeData(t: Test, site: DeploySite): Promise<void> {
  t.ok(await put(1, 'text', storedValues.text))
  t.ok(await put(1, 'blob', storedValues.blob, true))
  t.equal(await get(2, 'text'), storedValues.text)
  t.equal(await get(2, 'blob'), storedValues.blob)
  site.hasData = true
}

export async function deployRevision(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const running = await site.pages()
  const before = await site.settledFiles()
  const plan = await site.done(t, ['plan', '--event', 'deploy', '--json-output'], client)
  t.strictSame(withoutLogs(site.files()), withoutLogs(before), 'the plan writes nothing')
  const watch = new Watch()
  const run = await site.converge(['deploy', '--json-output', '--detailed-exit-code'], client)
  await watch.stop()
  t.equal(run.status, 3, 'the exit status reports a change')
  t.strictSame(changedResources(run), changedResources(plan), 'the run makes the planned changes')
  const pages = await checkPages(t, site, site.latest)
  t.equal(watch.roundsWithoutAnswer, 0, 'one client restarts after the other')
  t.strictSame(watch.releases, [running[0]?.release, site.currentPath()], 'only these two releases answered')
  t.notMatch(
    pages,
    running.map((page) => ({ pid: page?.pid })),
    'each is a new process',
  )
  t.equal((await site.releases()).length, 2)
  const server = site.processes('/zeoserver/current/bin/zeoserver')
  t.equal(server.length, 1)
  await site.done(t, ['deploy'])
  t.equal((await site.releases('zeoserver')).length, 2, 'the deploy made a release of the server, too')
  t.strictSame(site.processes('/zeoserver/current/bin/zeoserver'), server, 'it loads none of it, and is not restarted')
  const [first] = await site.releases('zeoserver')
  t.equal(
    readlinkSync(`/proc/${server[0]}/cwd`),
    `${site.directory('zeoserver')}/releases/${first?.id}`,
    'its files are those of the release that started it',
  )
  await checkPages(t, site, site.latest)
}

export async function changeAttribute(t: Test, site: DeploySite): Promise<void> {
  const before = site.currentPath() ?? ''
  site.json = { plone_instances: { zodb_cache_size: 7000 } }
  t.match((await site.done(t, ['plan', '--event', 'deploy'], client)).output, /zodb-cache-size = 7000/)
  await site.done(t, ['deploy'], client)
  const after = site.currentPath() ?? ''
  const [old, now] = (await site.releases()).slice(-2)
  t.strictSame(
    [old?.id, now?.id, now?.commit],
    [before, after, old?.commit],
    'a release of its own, of the same commit',
  )
  const cacheSizes = async () => (await site.pages()).map((page) => page?.cacheSize)
  t.strictSame(await cacheSizes(), [7000, 7000])
  await site.done(t, ['rollback'], client)
  t.equal(site.currentPath(), before)
  t.strictSame(await cacheSizes(), [5000, 5000])
  t.match((await site.done(t, ['configure'], client)).output, /rolled back/, 'configure does not deploy it again')
  t.equal(site.currentPath(), before)
  await site.done(t, ['rollback', '--to', after], client)
  t.equal(site.currentPath(), after)
  t.strictSame(await cacheSizes(), [7000, 7000])
  t.match((await site.done(t, [], client)).output, /^nothing to do/m)
  site.json = { deploy: { plone_instances: { environment: { GREETING: 'hello, 100% "of" you' } } } }
  await site.done(t, ['deploy'], client)
  t.strictSame(await cacheSizes(), [5000, 5000])
  for (const pid of await pids(site))
    t.ok(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes('GREETING=hello, 100% "of" you'))
  site.json = {}
  await site.done(t, ['deploy'], client)
}

export async function alwaysBuild(t: Test, site: DeploySite): Promise<void> {
  for (const spelling of ['always_build_on_deploy', 'always_buildout_on_deploy']) {
    const [before, running] = [await site.releases(), await pids(site)]
    await site.done(t, ['deploy'], { ...client, json: { deploy: { plone_instances: { [spelling]: true } } } })
    const after = await site.releases()
    t.not(after.at(-1)?.id, before.at(-1)?.id, `${spelling} makes a release`)
    t.equal(after.at(-1)?.commit, before.at(-1)?.commit)
    t.equal(site.currentPath(), after.at(-1)?.id)
    for (const [index, pid] of (await pids(site)).entries()) t.not(pid, running[index], 'and restarts')
  }
  const running = await pids(site)
  t.match((await site.done(t, ['deploy'], client)).output, /^nothing to do/m)
  t.strictSame(await pids(site), running)
}

export async function changeClientCount(t: Test, site: DeploySite): Promise<void> {
  await site.done(t, ['deploy'], { ...client, json: { plone_instances: { instance_count: 3 } } })
  await checkPages(t, site, site.latest, 3)
  t.equal(await get(3, 'text'), storedValues.text)
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
  t.notOk(isTaken(8083), 'the third client has ended')
  t.notOk(existsSync(`${site.prefix}/etc/supervisor/conf.d/plone_instances-client3.conf`))
  t.strictSame((await site.status()).up, ['zeoserver', 'plone_instances-client1', 'plone_instances-client2'])
}

export async function deployRevisions(t: Test, site: DeploySite): Promise<void> {
  const first = site.commit()
  const version = site.latest
  site.git('tag', 'plain', first)
  site.git('tag', '-a', 'annotated', '-m', 'a tag with a message', first)
  const second = site.commit()
  await site.done(t, ['deploy', '--revision', 'plain'], client)
  await checkPages(t, site, version)
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
  await site.done(t, ['rollback'], client)
  await checkPages(t, site, version)
  await site.done(t, ['deploy', '--revision', second.slice(0, 9)], client)
  await checkPages(t, site, site.latest)
  await site.done(t, ['deploy', '--revision', 'annotated'], client)
  await checkPages(t, site, version)
  t.equal((await site.releases()).at(-1)?.commit, first, 'a tag with a message stands for its commit')
  const missing = await site.converge(['deploy', '--revision', 'anotated'], client)
  await checkFailure(t, missing, /no branch, tag or commit anotated/, /annotated/)
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
  const releases = await site.releases()
  t.ok(releases.length <= 5, 'no more than 5 are kept')
  t.ok(releases.every(({ complete }) => complete))
}

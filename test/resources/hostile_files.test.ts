/** Tests each file of an app's account that root reads, with a hostile object in its place. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { LocalHost } from '../../core/host/local.ts'
import type { Host } from '../../core/host/types.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { deploy_hook } from '../../resources/commands/deploy_hook.ts'
import { cronParts } from '../../resources/cron/usercrontab.ts'
import { file } from '../../resources/files/file.ts'
import { openContents } from '../../resources/git/contents.ts'
import { gitReleaseProps } from '../../resources/git/props.ts'
import { recoverBuild } from '../../resources/python/build_area.ts'
import { buildout } from '../../resources/python/buildout.ts'
import { readMark } from '../../resources/python/venv_files.ts'
import { readFailure } from '../../resources/releases/failure_mark.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import { lastLinesOfFile } from '../../resources/services/managers/types.ts'
import { jettyAddress, zeoAddress } from '../../resources/services/readiness/listening_address.ts'
import { loadedFiles } from '../../resources/services/restart/loaded_files.ts'
import { blob_directories } from '../../resources/zope/blob_directories.ts'
import { clientScript, clientsWithoutCache, restoreCaches, withOwnCache } from '../../resources/zope/temporary_cache.ts'
import { planOf, run } from '../support/contract.ts'
import { GitSite } from '../support/git_site.ts'
import { hostileKinds, nobody, plant, secret, swapper } from '../support/hostile.ts'
import { needs, scratch } from '../support/machine.ts'

t.setTimeout(120_000)

const owner = { owner: 'nobody', group: 'nogroup' }
const fallback = { host: '127.0.0.1', port: 8100 }

interface HostileEntry {
  /** Path below the app's directory. */
  readonly path: string
  /** Reads the file as root, in the same way as the engine or a role. */
  readonly read: (host: Host, app: string, path: string) => unknown
}

const release = 'releases/000001-1a2b3c4d'
const releases = (host: Host, app: string) => listReleases(host, `${app}/releases`, `${app}/current`)
const declared = (declare: Parameters<typeof planOf>[0]) => (host: Host) =>
  run(planOf(declare), host as VirtualHost, 'plan')

const entries: readonly HostileEntry[] = [
  { path: `${release}/.converge/release.json`, read: releases },
  { path: `${release}/.converge/smoke-test-failed.json`, read: (host, app) => readFailure(host, `${app}/${release}`) },
  { path: `${release}/.converge/complete`, read: releases },
  { path: `${release}/.converge/was-live`, read: releases },
  { path: 'releases/.history', read: releases },
  { path: 'releases/.held', read: (host, _, path) => host.readText(path) },
  { path: 'current', read: releases },
  { path: 'shared/env-3.11/.converge.json', read: (host, app) => readMark(host, `${app}/shared/env-3.11`) },
  {
    path: `${release}/.converge/built.json`,
    read: (host, app) =>
      declared((r) => buildout(r, { directory: `${app}/${release}`, buildout: '/usr/bin/true', user: 'nobody' }))(host),
  },
  {
    path: 'shared/.converge-building.json',
    read: (host, app) =>
      recoverBuild(host, { shared: `${app}/shared`, directory: `${app}/${release}`, user: 'nobody' }),
  },
  { path: `${release}/deploy.cfg`, read: (host, _, path) => declared((r) => file(r, { path, content: 'a' }))(host) },
  {
    path: `${release}/deploy/before_restart.mjs`,
    read: (host, app) =>
      run(
        planOf((r) =>
          deploy_hook(r, {
            app: 'site',
            hook: 'before_restart',
            directory: `${app}/${release}`,
            user: 'nobody',
            group: 'nogroup',
          }),
        ),
        host as VirtualHost,
      ),
  },
  { path: `${release}/bin/client1`, read: (host, app) => clientScript(host, `${app}/${release}`, owner) },
  { path: `${release}/bin/zeoserver`, read: (host, _, path) => zeoAddress(host, { ...fallback, program: path }) },
  {
    path: `${release}/parts/zeoserver/etc/zeo.conf`,
    read: (host, _, path) => zeoAddress(host, { ...fallback, config: path }),
  },
  { path: `${release}/parts/solr/etc/jetty.xml`, read: (host, _, path) => jettyAddress(host, path, fallback) },
  {
    path: `${release}/parts/client1/etc/zope.conf`,
    read: (host, app) => withOwnCache(host, `${app}/${release}`, owner, () => Promise.resolve('done')),
  },
  {
    path: `${release}/.converge/zope.conf.d/client1`,
    read: (host, app) => [clientsWithoutCache(host, `${app}/${release}`), restoreCaches(host, `${app}/${release}`)],
  },
  {
    path: `${release}/parts/client1/etc/zope.conf`,
    read: (host, app) =>
      declared((r) =>
        blob_directories(r, { app: 'site', client: `${app}/${release}`, servers: [`${app}/${release}`] }),
      )(host),
  },
  {
    path: `${release}/.installed.cfg`,
    read: (host, app) => cronParts(host, { release: `${app}/${release}`, current: `${app}/current` }),
  },
  ...['bin/zeoserver', 'parts/zeoserver/bin/runzeo', 'parts/zeoserver/etc/.eggs'].map((path) => ({
    path: `${release}/${path}`,
    read: (host: Host, app: string) => {
      fs.rmSync(`${app}/current`, { force: true })
      fs.symlinkSync(release, `${app}/current`)
      return loadedFiles(host, { current: `${app}/current`, paths: [path] })
    },
  })),
  { path: 'log/client1.log', read: (host, _, path) => lastLinesOfFile(host, path, 20) },
  {
    path: 'checkout/buildout.cfg',
    read: async (host, app) => {
      const [into, shared, current] = [`${app}/releases`, `${app}/shared`, `${app}/current`]
      const source = { into, shared, current, repository: `${app}/checkout`, scmType: 'directory' as const }
      return (await openContents(host, gitReleaseProps.parse(source))).file('buildout.cfg')
    },
  },
]

function app(t: Parameters<typeof needs>[0]) {
  const base = scratch(t)
  const [own, precious] = [`${base}/app`, `${base}/precious`]
  fs.mkdirSync(precious, { mode: 0o700 })
  fs.writeFileSync(`${precious}/file`, secret, { mode: 0o600 })
  for (const { path } of entries)
    for (let at = `${own}/${dirname(path)}`; at !== base; at = dirname(at)) {
      fs.mkdirSync(at, { recursive: true })
      fs.chownSync(at, nobody, nobody)
    }
  return { own, precious: `${precious}/file`, host: new LocalHost(`${base}/state`) }
}

const refusals = /^(NOT_A_FILE|FILE_TOO_LARGE|NOT_READABLE|UNSAFE_PATH|ELOOP)$/

/** Returns everything that could be displayed. */
function shown(value: unknown): string {
  if (value instanceof Error) return `${value.message} ${JSON.stringify(value)}`
  return JSON.stringify(value, (_, one) => (one instanceof Map ? [...one] : one)) ?? ''
}

for (const entry of entries)
  t.test(`${entry.path}, hostile`, async (t) => {
    if (!needs(t, ['root', 'nobody'])) return
    const { own, precious, host } = app(t)
    const path = `${own}/${entry.path}`
    for (const kind of hostileKinds)
      for (const reader of [host, new VirtualHost({ base: host })]) {
        plant(kind, path, precious)
        const name = `${kind.name}${reader === host ? '' : ', dry run'}`
        try {
          t.notMatch(shown(await entry.read(reader, own, path)), secret, name)
        } catch (error) {
          const { code = '', message } = error as NodeJS.ErrnoException
          t.match(code, refusals, `${name}: ${message}`)
          t.match(message, own, name)
          t.notMatch(shown(error), secret, name)
        }
        t.equal(fs.readFileSync(precious, 'utf8'), secret, `${name}: what is root's is as it was`)
      }
  })

t.test('a renamer beside root never shows a file of root', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, precious, host } = app(t)
  for (const entry of entries.filter(({ path }) => /release\.json|client1$|zeo\.conf|\.log|\.mjs/.test(path))) {
    const path = `${own}/${entry.path}`
    fs.rmSync(path, { recursive: true, force: true })
    const stop = await swapper(path, precious)
    for (let tries = 0; tries < 50; tries++) {
      const read = async () => entry.read(new VirtualHost({ base: host }), own, path)
      const result = await read().catch((error: unknown) => error)
      if (shown(result).includes(secret)) t.fail(`${entry.path}: ${shown(result)}`)
    }
    await stop()
    t.equal(fs.readFileSync(precious, 'utf8'), secret, entry.path)
  }
})

t.test('a mirror with something hostile in it is rebuilt', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '0' })
  t.equal((await site.deploy()).failure, undefined)
  const mirror = `${site.shared}/repo.git`
  const precious = `${site.root}/precious`
  fs.writeFileSync(precious, secret, { mode: 0o600 })
  const names = ['converge.json', 'HEAD', 'config', 'packed-refs', 'refs/heads/main', 'objects/info/alternates']
  let count = 0
  for (const name of names)
    for (const kind of hostileKinds.filter((one) =>
      (name === 'converge.json' ? /FIFO|link to [^i]|sparse|dir/ : /FIFO|zero/).test(one.name),
    )) {
      fs.rmSync(`${mirror}/${name}`, { recursive: true, force: true })
      kind.put(`${mirror}/${name}`, precious)
      site.commit({ 'a.txt': `${++count}` })
      const { failure, report } = await site.deploy()
      t.equal(failure, undefined, `${name}: ${kind.name}: ${failure?.text}`)
      t.equal(site.read(`${site.current}/a.txt`), `${count}`, `${name}: ${kind.name}`)
      t.notMatch(shown(report), secret)
    }
})

t.test('a mirror that lacks files of git, or has directories in their place, is rebuilt', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '0' })
  t.equal((await site.deploy()).failure, undefined)
  const mirror = `${site.shared}/repo.git`
  let count = 0
  for (const name of ['HEAD', 'config', 'packed-refs', 'FETCH_HEAD', 'objects', 'refs', 'objects/pack', 'refs/heads'])
    for (const kind of ['nothing', 'an empty directory', 'an empty file']) {
      const path = `${mirror}/${name}`
      fs.rmSync(path, { recursive: true, force: true })
      if (kind === 'an empty directory') fs.mkdirSync(path)
      if (kind === 'an empty file') fs.writeFileSync(path, '')
      site.commit({ 'a.txt': `${++count}` })
      const { failure } = await site.deploy()
      t.equal(failure, undefined, `${name}: ${kind}: ${failure?.text}`)
      t.equal(site.read(`${site.current}/a.txt`), `${count}`, `${name}: ${kind}`)
    }
})

t.test('a configuration whose definitions multiply its length counts as unknown', async (t) => {
  const base = scratch(t)
  fs.mkdirSync(`${base}/release`)
  fs.symlinkSync('release', `${base}/current`)
  const text = `%define A ${'x'.repeat(1_000_000)}\n${'$A\n'.repeat(1_000_000)}`
  fs.writeFileSync(`${base}/release/zope.conf`, text)
  const began = performance.now()
  t.equal(loadedFiles(new LocalHost(`${base}/state`), { current: `${base}/current`, paths: ['zope.conf'] }), null)
  t.ok(performance.now() - began < 5000)
})

t.test('a zeo.conf made to take long is searched quickly', async (t) => {
  const base = scratch(t)
  const host = new LocalHost(`${base}/state`)
  const texts = [
    '\n'.repeat(2_000_000),
    '\n'.repeat(120_000),
    '<zeo>\n'.repeat(20_000),
    `%define A ${' '.repeat(120_000)}b`,
  ]
  for (const text of texts) {
    fs.writeFileSync(`${base}/zeo.conf`, `${text}\n<zeo>\naddress 8${' '.repeat(5000)}$A\n`)
    const began = performance.now()
    t.match(zeoAddress(host, { ...fallback, config: `${base}/zeo.conf` }), { endpoint: fallback })
    t.ok(performance.now() - began < 10_000, `${Math.round(performance.now() - began)} ms`)
  }
})

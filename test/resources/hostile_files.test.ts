/**
 * Tests each file of an app's account that root reads, with a hostile object in its place: root shows no file that only
 * it may read, does not hang, and changes nothing.
 */
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
import { hostileKinds, nobody, plant, secret, swapper } from '../support/hostile.ts'
import { needs, scratch } from '../support/machine.ts'

t.setTimeout(120_000)

const owner = { owner: 'nobody', group: 'nogroup' }
const fallback = { host: '127.0.0.1', port: 8100 }

interface AttackedFile {
  /** Path below the app's directory. */
  readonly path: string
  /** The name of the reader, if another one has the same path. */
  readonly reader?: string
  /** Whether an account that swaps the file during the reads attacks it too. */
  readonly isSwapped?: boolean
  /** Reads the file as root, in the same way as the engine or a role. */
  readonly read: (host: Host, directory: string, path: string) => unknown
}

const release = 'releases/000001-1a2b3c4d'
const releasesOf = (host: Host, directory: string) =>
  listReleases(host, `${directory}/releases`, `${directory}/current`)
const dryRun = (host: Host, declare: Parameters<typeof planOf>[0]) => run(planOf(declare), host as VirtualHost, 'plan')

const attackedFiles: readonly AttackedFile[] = [
  { path: `${release}/.converge/release.json`, isSwapped: true, read: releasesOf },
  {
    path: `${release}/.converge/smoke-test-failed.json`,
    read: (host, directory) => readFailure(host, `${directory}/${release}`),
  },
  { path: `${release}/.converge/complete`, read: releasesOf },
  { path: `${release}/.converge/was-live`, read: releasesOf },
  { path: 'releases/.history', read: releasesOf },
  { path: 'releases/.held', read: (host, _, path) => host.readText(path) },
  { path: 'current', read: releasesOf },
  { path: 'shared/env-3.11/.converge.json', read: (host, directory) => readMark(host, `${directory}/shared/env-3.11`) },
  {
    path: `${release}/.converge/built.json`,
    read: (host, directory) =>
      dryRun(host, (r) =>
        buildout(r, { directory: `${directory}/${release}`, buildout: '/usr/bin/true', user: 'nobody' }),
      ),
  },
  {
    path: 'shared/.converge-building.json',
    read: (host, directory) =>
      recoverBuild(host, { shared: `${directory}/shared`, directory: `${directory}/${release}`, user: 'nobody' }),
  },
  { path: `${release}/deploy.cfg`, read: (host, _, path) => dryRun(host, (r) => file(r, { path, content: 'a' })) },
  {
    path: `${release}/deploy/before_restart.mjs`,
    isSwapped: true,
    read: (host, directory) =>
      run(
        planOf((r) =>
          deploy_hook(r, {
            app: 'site',
            hook: 'before_restart',
            directory: `${directory}/${release}`,
            user: 'nobody',
            group: 'nogroup',
          }),
        ),
        host as VirtualHost,
      ),
  },
  {
    path: `${release}/bin/client1`,
    isSwapped: true,
    read: (host, directory) => clientScript(host, `${directory}/${release}`, owner),
  },
  { path: `${release}/bin/zeoserver`, read: (host, _, path) => zeoAddress(host, { ...fallback, program: path }) },
  {
    path: `${release}/parts/zeoserver/etc/zeo.conf`,
    isSwapped: true,
    read: (host, _, path) => zeoAddress(host, { ...fallback, config: path }),
  },
  { path: `${release}/parts/solr/etc/jetty.xml`, read: (host, _, path) => jettyAddress(host, path, fallback) },
  {
    path: `${release}/parts/client1/etc/zope.conf`,
    reader: 'temporary cache',
    isSwapped: true,
    read: (host, directory) => withOwnCache(host, `${directory}/${release}`, owner, () => Promise.resolve('done')),
  },
  {
    path: `${release}/.converge/zope.conf.d/client1`,
    isSwapped: true,
    read: (host, directory) => [
      clientsWithoutCache(host, `${directory}/${release}`),
      restoreCaches(host, `${directory}/${release}`),
    ],
  },
  {
    path: `${release}/parts/client1/etc/zope.conf`,
    reader: 'blob_directories',
    isSwapped: true,
    read: (host, directory) =>
      dryRun(host, (r) =>
        blob_directories(r, { app: 'site', client: `${directory}/${release}`, servers: [`${directory}/${release}`] }),
      ),
  },
  {
    path: `${release}/.installed.cfg`,
    read: (host, directory) => cronParts(host, { release: `${directory}/${release}`, current: `${directory}/current` }),
  },
  ...['bin/zeoserver', 'parts/zeoserver/bin/runzeo', 'parts/zeoserver/etc/.eggs'].map((path) => ({
    path: `${release}/${path}`,
    read: (host: Host, directory: string) => {
      fs.rmSync(`${directory}/current`, { force: true })
      fs.symlinkSync(release, `${directory}/current`)
      return loadedFiles(host, { current: `${directory}/current`, paths: [path] })
    },
  })),
  { path: 'log/client1.log', isSwapped: true, read: (host, _, path) => lastLinesOfFile(host, path, 20) },
  {
    path: 'checkout/buildout.cfg',
    read: async (host, directory) => {
      const [into, shared, current] = [`${directory}/releases`, `${directory}/shared`, `${directory}/current`]
      const source = { into, shared, current, repository: `${directory}/checkout`, scmType: 'directory' as const }
      return (await openContents(host, gitReleaseProps.parse(source))).file('buildout.cfg')
    },
  },
]

/** Makes the directory of an app, which its account owns, and a file that only root may read. */
function attackedApp(t: Parameters<typeof needs>[0]) {
  const base = scratch(t)
  const directory = `${base}/app`
  const precious = `${base}/root/precious`
  fs.mkdirSync(dirname(precious), { mode: 0o700 })
  fs.writeFileSync(precious, secret, { mode: 0o600 })
  for (const { path } of attackedFiles)
    for (let parent = `${directory}/${dirname(path)}`; parent !== base; parent = dirname(parent)) {
      fs.mkdirSync(parent, { recursive: true })
      fs.chownSync(parent, nobody, nobody)
    }
  return { directory, precious, host: new LocalHost(`${base}/state`) }
}

const refusals = /^(NOT_A_FILE|FILE_TOO_LARGE|NOT_READABLE|UNSAFE_PATH|ELOOP)$/

/** Returns everything that a command could display of a result or an error. */
function displayable(value: unknown): string {
  if (value instanceof Error) return `${value.message} ${JSON.stringify(value)}`
  return JSON.stringify(value, (_, part) => (part instanceof Map ? [...part] : part)) ?? ''
}

for (const { path: relativePath, reader, read } of attackedFiles) {
  const readBy = reader === undefined ? '' : `, read by ${reader}`
  t.test(
    `hostile objects in place of ${relativePath}${readBy} end with a value or an error that names it`,
    async (t) => {
      if (!needs(t, ['root', 'nobody'])) return
      const { directory, precious, host } = attackedApp(t)
      const path = `${directory}/${relativePath}`
      for (const kind of hostileKinds)
        for (const readHost of [host, new VirtualHost({ base: host })]) {
          plant(kind, path, precious)
          const name = `${kind.name}${readHost === host ? '' : ', dry run'}`
          try {
            t.notMatch(displayable(await read(readHost, directory, path)), secret, name)
          } catch (error) {
            const { code = '', message } = error as NodeJS.ErrnoException
            t.match(code, refusals, `${name}: ${message}`)
            t.match(message, directory, name)
            t.notMatch(displayable(error), secret, name)
          }
          t.equal(fs.readFileSync(precious, 'utf8'), secret, `${name}: the file of root is unchanged`)
        }
    },
  )
}

t.test('root shows no file of its own while the account swaps a file and a link to it', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { directory, precious, host } = attackedApp(t)
  for (const { path: relativePath, read } of attackedFiles.filter(({ isSwapped }) => isSwapped)) {
    const path = `${directory}/${relativePath}`
    fs.rmSync(path, { recursive: true, force: true })
    const stop = await swapper(path, precious)
    for (let tries = 0; tries < 50; tries++) {
      const readOnce = async () => read(new VirtualHost({ base: host }), directory, path)
      const result = await readOnce().catch((error: unknown) => error)
      if (displayable(result).includes(secret)) t.fail(`${relativePath}: ${displayable(result)}`)
    }
    await stop()
    t.equal(fs.readFileSync(precious, 'utf8'), secret, relativePath)
  }
})

/**
 * Tests runs of root with a hostile object in place of each file below an app that these runs use: none hangs, shows or
 * changes a file of root, or prints an escape, and the next deploy succeeds.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { offeredEggs } from '../support/eggs.ts'
import { hostileKinds, nobody } from '../support/hostile.ts'
import { freePort, needs } from '../support/machine.ts'
import { BuiltSite, type BuiltSiteOptions, web } from './support/built_site.ts'
import { pathsOfRoot, tracedCalls } from './support/root_paths.ts'

/** Each kind for each path, instead of some. */
const all = process.env.CONVERGE_TEST_HOSTILE === 'all'
const limit = Number(process.env.CONVERGE_TEST_ATTACKS ?? (all ? 100_000 : 12))

t.setTimeout(all || limit > 12 ? 7_200_000 : 480_000)

const account = 33
const canary = 'only-root-may-read-this'
const escapes = '\x1b]0;owned\x07\x1b[2J\u202e\nerror: forged\n'

interface Kind {
  readonly name: string
  readonly put: (path: string, precious: string) => void
}

const kinds: readonly Kind[] = [
  ...hostileKinds,
  { name: 'file of another account', put: (path) => fs.writeFileSync(path, '{"id": 1}', { mode: 0o000 }) },
  { name: 'file with escapes', put: (path) => fs.writeFileSync(path, `{"id":"${escapes}","commit":"${escapes}"}`) },
  { name: 'directory with hostile names', put: hostileDirectory },
  { name: 'link to a directory of root', put: (path, precious) => fs.symlinkSync(dirname(precious), path) },
]

function hostileDirectory(path: string): void {
  fs.mkdirSync(path)
  fs.writeFileSync(join(path, `000009-${escapes.replaceAll('/', '')}`), 'x')
}

const owners: Readonly<Record<string, number>> = { 'hard link to a file of root': 0, 'file of another account': nobody }

function plant({ name, put }: Kind, path: string, precious: string): void {
  put(path, precious)
  const owner = owners[name] ?? account
  if (owner !== 0) fs.lchownSync(path, owner, owner)
}

/** Returns all that a write, a chown or a chmod of root's files changes. */
const fingerprint = (directory: string) =>
  fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => {
    const { mode, uid, gid, size, mtimeMs } = fs.lstatSync(join(directory, name))
    return [name, mode, uid, gid, size, mtimeMs].join(' ')
  })

/** The commands that follow an attack; a deploy of another commit uses most paths. */
const commands = [
  'deploy',
  'status',
  'deploy',
  'configure',
  'rollback',
  'deploy',
  'releases',
  'setup',
  'restart',
  'doctor',
]

async function attackAll(t: Test, site: BuiltSite): Promise<void> {
  const setup = await site.converge([])
  t.equal(setup.status, 0, setup.status === 0 ? 'the first run succeeds' : setup.output)
  if (setup.status !== 0) return
  const traced = join(site.root, 'trace')
  const used = new Set<string>()
  for (const command of ['deploy', 'status', 'configure', 'setup', 'rollback', 'deploy']) {
    const before = site.current
    if (command === 'deploy') site.commit()
    const { status, output } = await site.converge(
      [command],
      ['strace', '-f', '-s', '4096', '-o', traced, '-e', tracedCalls],
    )
    t.equal(status, 0, `${command}: ${output}`)
    for (const path of pathsOfRoot(fs.readFileSync(traced, 'utf8'), site.directory))
      used.add(
        path
          .replace(before, '@')
          .replace(site.current, '@')
          .replace(/releases\/\.?\d{6}-[0-9a-f]{8}/, '@'),
      )
  }
  // The eggs are alike, and the objects of a mirror have other names after each deploy.
  const eggs = [...used].filter((path) => path.endsWith('.egg')).slice(2)
  const paths = [...used].filter((path) => !eggs.includes(path) && !/\d{5,}|converge-\d|^$/.test(path)).sort()
  t.ok(paths.length > 20, `${paths.length} paths of root`)
  if (process.env.SHOW) console.error(paths.join('\n'))
  const precious = join(site.root, 'of-root')
  fs.mkdirSync(precious, { mode: 0o700 })
  fs.writeFileSync(join(precious, 'secret'), canary, { mode: 0o600 })
  const attacks = paths.flatMap((path, at) =>
    kinds
      // A client that imports an endless egg takes all memory until its deadline.
      .filter(
        ({ name }, kind) => (all || (kind + at) % 4 === 0) && !(name.endsWith('/dev/zero') && path.endsWith('.egg')),
      )
      .map((kind) => ({ path, kind })),
  )
  const step = Math.max(1, attacks.length / limit)
  const counts = { attacks: 0, failed: 0 }
  for (let at = 0; at < attacks.length; at += step) {
    const { path, kind } = attacks[Math.floor(at)] ?? {}
    if (path === undefined || kind === undefined) continue
    counts.attacks++
    const target = join(site.directory, path.replace('@', site.current))
    if (!fs.existsSync(dirname(target))) continue
    const command = commands[counts.attacks % commands.length] ?? 'deploy'
    const what = `${command}: ${path} is a ${kind.name}`
    const aside = `${site.root}/aside`
    const had = fs.lstatSync(target, { throwIfNoEntry: false }) !== undefined
    if (had) execFileSync('cp', ['-a', target, aside])
    fs.rmSync(target, { recursive: true, force: true })
    plant(kind, target, join(precious, 'secret'))
    const { ino } = fs.lstatSync(target)
    const before = fingerprint(precious)
    site.commit()
    const ended = await site.converge([command])
    if (ended.status !== 0) counts.failed++
    const { status, output, milliseconds } = ended
    if (process.env.SHOW)
      console.error(`== ${what}: ${status}, ${Math.round(milliseconds)} ms\n${status === 0 ? '' : output}`)
    if (status === null || status > 2) t.fail(`${what}: status ${status} after ${milliseconds} ms: ${output}`)
    if (output.includes(canary)) t.fail(`${what}: shows a file of root`)
    if (/[\x00-\x08\x0b-\x1f\x7f]|\u202e/.test(output)) t.fail(`${what}: prints an escape`, { output })
    if (/^error: forged/m.test(output)) t.fail(`${what}: prints a forged line`, { output })
    if (/^ *\|? *at \S+ \(|node:internal|TypeError|RangeError|INTERNAL/m.test(output))
      t.fail(`${what}: a trace`, { output })
    if (status !== 0 && !output.includes(site.directory) && !/is down|did not|exited/.test(output))
      t.fail(`${what}: the message names no path`, { output })
    t.strictSame(fingerprint(precious), before, what)
    if (fs.lstatSync(target, { throwIfNoEntry: false })?.ino === ino)
      fs.rmSync(target, { recursive: true, force: true })
    if (had && !fs.existsSync(target) && fs.existsSync(dirname(target))) execFileSync('cp', ['-a', aside, target])
    fs.rmSync(aside, { recursive: true, force: true })
  }
  t.comment(
    `${site.directory}: ${paths.length} paths, ${counts.attacks} attacks, ${counts.failed} runs failed with a message`,
  )
  site.commit()
  const last = await site.converge(['deploy'])
  t.equal(last.status, 0, `afterwards a deploy succeeds: ${last.output}`)
}

t.test('a PHP app', async (t) => {
  if (!needs(t, ['root', 'git', 'nginx', 'php-fpm', 'strace', 'python3 venv', 'pip registry'])) return
  const port = await freePort()
  const options: BuiltSiteOptions = {
    roles: 'php-app',
    app: 'app',
    link: 'active',
    json: (scm) => ({
      php_app: {
        app_name: 'app',
        http_port: port,
        document_root: 'public',
        health: { path: '/', deadline_seconds: 20 },
      },
      deploy: { app: { ...web, scm } },
    }),
    write: (repository) => {
      fs.mkdirSync(`${repository}/public`)
      fs.writeFileSync(`${repository}/public/index.php`, "<?php echo file_get_contents(__DIR__ . '/../VERSION');")
    },
  }
  await attackAll(t, new BuiltSite(t, options))
})

t.test('ZEO clients', async (t) => {
  if (!needs(t, ['root', 'git', 'strace', 'python3 venv', 'pip registry'])) return
  const fixture = fileURLToPath(new URL('../../fixtures/example-buildout', import.meta.url))
  const [port, eggs] = [await freePort(), await offeredEggs(t)]
  const options: BuiltSiteOptions = {
    roles: 'zeo-server,zeo-client',
    app: 'plone_instances',
    json: (scm) => ({
      ...eggs,
      converge: { readiness: { deadline_seconds: 90 } },
      plone_instances: { instance_count: 1, zeo: { address: `127.0.0.1:${port}` } },
      deploy: { zeoserver: { ...web, scm }, plone_instances: { ...web, scm } },
    }),
    write: (repository) => {
      fs.cpSync(fixture, repository, { recursive: true })
      const base = `${repository}/cfg/base.cfg`
      fs.writeFileSync(base, fs.readFileSync(base, 'utf8').replace('127.0.0.1:8001', `127.0.0.1:${port}`))
    },
  }
  await attackAll(t, new BuiltSite(t, options))
})

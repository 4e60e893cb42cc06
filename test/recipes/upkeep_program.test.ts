/** Tests the program that runs the jobs of a ZEO server, with scripts that imitate those of a buildout. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { upkeepProgram } from '../../recipes/plone/upkeep_program.ts'
import { hostileKinds } from '../support/hostile.ts'
import { needs, scratch } from '../support/machine.ts'

interface Settings {
  readonly keep?: number
  readonly copyTo?: string
  readonly recipe?: string
}

class Site {
  readonly root: string

  constructor(t: Test, { keep, copyTo, recipe = 'zc.recipe.egg' }: Settings = {}) {
    this.root = scratch(t)
    const settings = { current: `${this.root}/current`, blobs: true, keep: keep ?? null, copy_to: copyTo ?? null }
    const option = recipe === 'zc.recipe.egg' ? `location = ${this.root}/var/backups\n` : ''
    this.write({
      'upkeep/upkeep.py': upkeepProgram,
      'upkeep/upkeep.json': JSON.stringify(settings),
      'current/.installed.cfg': `[backup]\nrecipe = ${recipe}\n${option}`,
      'current/bin/backup': `#!/bin/sh\n# 'backup_location': '${this.root}/var/other',\nexit 0\n`,
      'current/parts/zeoserver/etc/zeo.conf': `%define VAR ${this.root}/var
<zeo>
  address 127.0.0.1:8001
</zeo>
<filestorage 1>
  path $VAR/filestorage/Data.fs
  blob-dir $VAR/blobs
</filestorage>
`,
      'var/filestorage/Data.fs': '',
      'var/blobs/0x00/one.blob': 'one',
    })
    fs.chmodSync(`${this.root}/current/bin/backup`, 0o755)
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(`${this.root}/${name}`.replace(/\/[^/]*$/, ''), { recursive: true })
      fs.writeFileSync(`${this.root}/${name}`, text)
    }
  }

  /** Runs the job backup, whose command writes these files as repozo would. */
  backup(...names: readonly string[]) {
    const paths = names.map((name) => `${this.root}/var/backups/${name}`)
    return this.run('run', 'backup', `mkdir -p ${this.root}/var/backups && touch ${paths.join(' ')}`)
  }

  run(...words: readonly string[]) {
    return this.runWith({}, ...words)
  }

  runWith(env: Readonly<Record<string, string>>, ...words: readonly string[]) {
    const { status, stdout, stderr } = spawnSync('python3', [`${this.root}/upkeep/upkeep.py`, ...words], {
      env: { ...process.env, PATH: `${this.root}/bin:${process.env.PATH}`, ...env },
      encoding: 'utf8',
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    return { status, stdout, stderr }
  }

  record(job: string) {
    return JSON.parse(fs.readFileSync(`${this.root}/upkeep/${job}.json`, 'utf8'))
  }

  list(name: string): string[] {
    return fs.readdirSync(`${this.root}/var/${name}`)
  }
}

const first = '2026-11-28-21-00-04'
const second = '2026-11-29-21-00-04'
const third = '2026-11-30-21-00-04'

t.test('records a job that succeeded, and one that failed with its last lines', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  t.match(site.run('run', 'pack', 'echo packed'), { status: 0, stdout: 'packed\n' })
  t.match(site.record('pack'), { job: 'pack', status: 0, error: '' })
  t.match(site.run('run', 'pack', 'echo no server; exit 3'), { status: 1, stderr: /ended with status 3/ })
  t.match(site.record('pack'), { status: 1, error: /no server$/ })
  t.end()
})

t.test('a backup has the blobs, and links those that have not changed', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  t.match(site.backup(`${first}.fsz`), { status: 0, stderr: '' })
  site.write({ 'var/blobs/0x00/two.blob': 'two', 'var/blobs/tmp/part': '', 'var/blobs/before-restore-1/old': '' })
  t.match(site.backup(`${second}.deltafsz`), { status: 0, stderr: '' })
  t.match(JSON.parse(site.run('list').stdout), [
    { id: first, full: true, blobs: `blobstorage.${first}` },
    { id: second, full: false, blobs: `blobstorage.${second}` },
  ])
  const file = (stamp: string, name: string) =>
    fs.statSync(`${site.root}/var/blobstoragebackups/blobstorage.${stamp}/0x00/${name}`)
  t.equal(file(first, 'one.blob').ino, file(second, 'one.blob').ino)
  t.not(
    file(first, 'one.blob').ino,
    fs.statSync(`${site.root}/var/blobs/0x00/one.blob`).ino,
    'a copy of the current database',
  )
  t.equal(file(second, 'two.blob').size, 3)
  t.strictSame(site.list(`blobstoragebackups/blobstorage.${second}`), ['0x00'])
  t.end()
})

t.test('keeps full backups with those that depend on them', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t, { keep: 1 })
  site.backup(`${first}.fsz`, `${first}.dat`)
  site.backup(`${second}.deltafsz`)
  t.strictSame(site.list('backups'), [`${first}.dat`, `${first}.fsz`, `${second}.deltafsz`])
  site.backup(`${third}.fsz`)
  t.strictSame(site.list('backups'), [`${third}.fsz`])
  t.strictSame(site.list('blobstoragebackups'), [`blobstorage.${third}`])
  t.end()
})

t.test('backups and blobs in directories of the same name do not replace each other in the copy', (t) => {
  if (!needs(t, ['python3', 'rsync'])) return t.end()
  const target = `${scratch(t)}/new`
  const site = new Site(t, { copyTo: target, recipe: 'collective.recipe.backup' })
  site.write({
    'current/bin/backup': `'backup_location': '${site.root}/var/db/backups',\n'blob_backup_location': '${site.root}/var/blobs/backups',\n`,
    [`var/db/backups/${first}.fsz`]: 'database',
    [`var/blobs/backups/blobstorage.${first}/0x00/one.blob`]: 'one',
  })
  for (const _ of [1, 2]) {
    t.match(site.run('run', 'backup', 'true'), { status: 0, stderr: '' })
    t.strictSame(fs.readdirSync(`${target}/backups`), [`${first}.fsz`])
    t.strictSame(fs.readdirSync(`${target}/backups-blobs`), [`blobstorage.${first}`])
  }
  t.end()
})

t.test('an interrupted copy leaves a backup that is complete, also with keep 1', (t) => {
  if (!needs(t, ['python3', 'rsync'])) return t.end()
  const counts = new Set<number>()
  for (const kilobytes of [1, 150, 400]) {
    const copy = scratch(t)
    const site = new Site(t, { keep: 1, copyTo: `vault:${copy}` })
    // The connection ends when it has carried so much.
    const ssh =
      '#!/bin/bash\nwhile [ "$1" != vault ]; do shift; done\nshift\nexec $* < <(exec stdbuf -o0 head -c ${LIMIT}000)\n'
    site.write({ 'bin/ssh': ssh })
    fs.chmodSync(`${site.root}/bin/ssh`, 0o755)
    const backup = (stamp: string, limit: number) => {
      const path = `${site.root}/var/backups/${stamp}.fsz`
      const make = `mkdir -p ${site.root}/var/backups && head -c 200000 /dev/urandom > ${path}`
      return site.runWith({ LIMIT: `${limit}` }, 'run', 'backup', make)
    }
    t.match(backup(first, 9000), { status: 0, stderr: '' })
    const { status } = backup(second, kilobytes)
    const files = fs.readdirSync(`${copy}/backups`).filter((name) => /^\d.*\.fsz$/.test(name))
    counts.add(status ?? 9)
    t.ok(files.length > 0, `${kilobytes} kB: ${files.join(' ')}`)
    for (const name of files) {
      t.equal(fs.statSync(`${copy}/backups/${name}`).size, 200_000)
      t.ok(fs.existsSync(`${copy}/blobstoragebackups/blobstorage.${name.slice(0, 19)}/0x00/one.blob`))
    }
  }
  t.strictSame(counts, new Set([1, 0]), 'some copies were interrupted, and not all')
  t.end()
})

t.test('a backup fails without a result, and without its copy', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  t.match(site.run('backup'), {
    status: 1,
    stderr: /bin\/backup succeeded, but there is no backup in .*\/var\/backups/,
  })
  const copied = new Site(t, { copyTo: '/proc/nowhere' })
  t.match(copied.backup(`${first}.fsz`), { status: 1, stderr: /rsync/ })
  t.match(copied.record('backup'), { status: 1, error: /rsync/ })
  t.end()
})

t.test('a backup has a later name than all before it', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  const name = (seconds: number) =>
    new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19).replace(/[T:]/g, '-')
  const soon = name(2)
  site.write({ [`var/backups/${soon}.fsz`]: '' })
  const command = `date -u +%Y-%m-%d-%H-%M-%S > ${site.root}/started && touch ${site.root}/var/backups/${soon}.deltafsz`
  t.match(site.run('run', 'backup', command), { status: 0, stderr: '' })
  t.ok(fs.readFileSync(`${site.root}/started`, 'utf8').trim() > soon, 'it waits for the next second')

  site.write({ [`var/backups/${name(86_400)}.fsz`]: '' })
  t.match(site.backup(`${third}.fsz`), {
    status: 1,
    stderr: /the backup \S+ in \S+ is dated in the future: set the clock/,
  })
  t.end()
})

t.test('finds the directories of collective.recipe.backup', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t, { recipe: 'collective.recipe.backup' })
  site.write({ [`var/other/${first}.fsz`]: '', [`var/blobstoragebackups/blobstorage.${first}/blobs/x`]: '' })
  t.match(JSON.parse(site.run('list').stdout), [{ id: first, blobs: `blobstorage.${first}` }])
  t.match(site.run('backup', '--full'), { status: 1, stderr: /set "full = true"/ })
  t.end()
})

t.test('refuses a second run of a job', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  const again = `python3 ${site.root}/upkeep/upkeep.py run pack true`
  t.match(site.run('run', 'pack', again), { status: 1, stdout: /another run of the job pack is under way/ })
  t.end()
})

t.test('records a failure that the program does not expect', async (t) => {
  if (!needs(t, ['python3'])) return
  const site = new Site(t)
  t.equal(site.backup('2026-11-30-21-00-04.fsz').status, 0)
  const conf = fs.readFileSync(`${site.root}/current/parts/zeoserver/etc/zeo.conf`, 'utf8')
  site.write({ 'current/parts/zeoserver/etc/zeo.conf': conf.replace('8001', 'eight') })
  const failed = site.backup('2026-11-30-21-10-04.fsz')
  t.equal(failed.status, 1)
  t.match(failed.stderr, /backup failed: ValueError: invalid literal/)
  t.match(JSON.parse(fs.readFileSync(`${site.root}/upkeep/backup.json`, 'utf8')), {
    status: 1,
    error: /^ValueError: /,
  })
})

const read = [
  'upkeep/upkeep.json',
  'current/.installed.cfg',
  'current/parts/zeoserver/etc/zeo.conf',
  'current/bin/backup',
]
const written = ['upkeep/backup.lock', 'upkeep/verify.lock', 'upkeep/backup.json.new', 'var/filestorage/Data.fs.lock']
const backups = [
  `var/backups/${first}.fsz`,
  'var/backups',
  'var/blobstoragebackups',
  `var/blobstoragebackups/blobstorage.${first}`,
]

t.test('a hostile file in place of one that the program uses ends it with a message', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  site.write({ 'of-root': 'only-root-may-read-this', 'current/bin/repozo': '#!/bin/false\n' })
  site.backup(`${first}.fsz`)
  let attacks = 0
  for (const name of [...read, ...written, ...backups])
    for (const kind of kinds) {
      const path = `${site.root}/${name}`
      const aside = `${site.root}/aside`
      if (fs.existsSync(path)) fs.renameSync(path, aside)
      kind.put(path, `${site.root}/of-root`)
      const action = actions[attacks++ % actions.length] ?? ['list']
      const { status, stdout, stderr } = site.run(...action)
      const what = `${action[0]}: ${name} is a ${kind.name}: ${status} ${stderr.slice(0, 300)}`
      if (status !== 0 && status !== 1) t.fail(what)
      if (status === 1 && (stderr.trim() === '' || /Traceback/.test(stderr))) t.fail(what)
      if (stderr.length > 2500) t.fail(`a long message: ${what}`)
      if (stdout.includes('only-root')) t.fail(`shows a file: ${what}`)
      fs.rmSync(path, { recursive: true, force: true })
      if (fs.existsSync(aside)) fs.renameSync(aside, path)
    }
  t.ok(attacks > 50, `${attacks} attacks`)
  t.match(site.run('list'), { status: 0, stderr: '' })
  t.end()
})

const kinds = [
  ...hostileKinds.filter(({ name }) => /FIFO|zero|sparse|itself/.test(name)),
  text('text', '\0\x1b]0;x\x07\n['),
  text('wrong types', '{"current": 7}'),
]
const actions = [['list'], ['verify'], ['run', 'backup', 'true'], ['prepare'], ['swap']]

function text(name: string, content: string) {
  return { name, put: (path: string) => fs.writeFileSync(path, content) }
}

t.test('a command of a job that prints one endless line takes no endless memory', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const site = new Site(t)
  const job = "run pack 'head -c 600000000 /dev/zero'"
  const limited = `ulimit -v 400000; exec python3 ${site.root}/upkeep/upkeep.py ${job} > /dev/null`
  t.match(spawnSync('sh', ['-c', limited], { encoding: 'utf8' }), { status: 0, stderr: '' })
  t.match(site.record('pack'), { status: 0 })
  t.end()
})

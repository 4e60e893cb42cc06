/**
 * Tests copies of backups on another host, over ssh: a site is restored from one, an interrupted one never looks complete,
 * and a copy that fails is a failed backup.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { upkeepProgram } from '../../recipes/plone/upkeep_program.ts'
import { needs, scratch } from '../support/machine.ts'
import { hostNeeds, type TestHost, testNetwork } from './support/hosts.ts'

t.setTimeout(400_000)

/** Returns the directory of ZODB from PyPI: installed once. */
function zodbDirectory(): string {
  const directory = `/var/tmp/converge-test-zodb-${process.getuid?.() ?? 0}`
  if (fs.existsSync(directory)) return directory
  const made = `${directory}.${process.pid}`
  execFileSync('/usr/bin/python3', ['-m', 'pip', 'install', '-q', '--target', made, 'ZODB==6.0'])
  fs.renameSync(made, directory)
  return directory
}

/** Stores a key with a blob of random bytes, or prints a digest of each blob. */
const database = `import hashlib, json, os, sys
from ZODB.blob import Blob
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
import transaction
root, key, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = DB(FileStorage(root + '/var/filestorage/Data.fs', blob_dir=root + '/var/blobs'))
objects = database.open().root()
if key:
    objects[key] = Blob(os.urandom(size))
    transaction.commit()
print(json.dumps({name: hashlib.sha256(objects[name].open().read()).hexdigest() for name in objects.keys()}))
database.close()
`

/** A site on this computer, whose ssh is the one of the system with a configuration of the test. */
class Site {
  readonly root: string

  constructor(t: Test, ssh: string, settings: { readonly keep?: number; readonly copy_to?: string } = {}) {
    this.root = scratch(t)
    const python = `#!/usr/bin/python3\nimport sys\nsys.path[0:0] = ['${zodbDirectory()}']\n`
    const [location, data] = [`${this.root}/var/backups`, `${this.root}/var/filestorage/Data.fs`]
    this.write({
      'upkeep/upkeep.py': upkeepProgram,
      'upkeep/upkeep.json': JSON.stringify({
        ...{ current: `${this.root}/current`, blobs: true, keep: null, copy_to: null, ...settings },
      }),
      'current/.installed.cfg': `[backup]\nrecipe = zc.recipe.egg\nlocation = ${location}\n`,
      'current/bin/repozo': `${python}from ZODB.scripts.repozo import main\nmain()\n`,
      'current/bin/backup': `#!/bin/sh\nexec ${this.root}/current/bin/repozo -B -z -r ${location} -f ${data} "$@"\n`,
      'current/parts/zeoserver/etc/zeo.conf': `<filestorage 1>\n  path ${data}\n  blob-dir ${this.root}/var/blobs\n</filestorage>\n`,
      'bin/ssh': `#!/bin/bash\n${ssh}\n`,
      'var/backups/.keep': '',
      'var/filestorage/.keep': '',
    })
    for (const name of ['current/bin/repozo', 'current/bin/backup', 'bin/ssh'])
      fs.chmodSync(`${this.root}/${name}`, 0o755)
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(`${this.root}/${name}`.replace(/\/[^/]*$/, ''), { recursive: true })
      fs.writeFileSync(`${this.root}/${name}`, text)
    }
  }

  data(key = '', size = 0): Readonly<Record<string, string>> {
    const argv = ['-c', database, this.root, key, `${size}`]
    const env = { PATH: process.env.PATH, PYTHONPATH: zodbDirectory() }
    return JSON.parse(execFileSync('/usr/bin/python3', argv, { encoding: 'utf8', env }))
  }

  run(...words: readonly string[]) {
    const env = { PATH: `${this.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin` }
    const argv = [`${this.root}/upkeep/upkeep.py`, ...words]
    const { status, stdout, stderr } = spawnSync('/usr/bin/python3', argv, { encoding: 'utf8', env })
    return { status, stdout, stderr }
  }

  record(): unknown {
    return JSON.parse(fs.readFileSync(`${this.root}/upkeep/backup.json`, 'utf8'))
  }

  /** Fetches the copy of another host, as an operator would. */
  fetch(source: string): void {
    const env = { PATH: `${this.root}/bin:/usr/bin:/bin` }
    execFileSync('rsync', ['-aH', `${source}/`, `${this.root}/var/`], { env })
  }
}

t.test('copies of backups on another host', async (t) => {
  if (!needs(t, [...hostNeeds, 'python3', 'pip registry', 'rsync'])) return
  const network = await testNetwork(t)
  const vault = await network.host('vault')
  const sshWith = (knownHosts: string, end = '"$@"') =>
    `exec /usr/bin/ssh -F none -i ${network.operator.file} -o UserKnownHostsFile=${knownHosts} -o IdentitiesOnly=yes ${end}`
  const ssh = sshWith(network.knownHosts)
  const target = (name: string) => `root@${vault.address}:/srv/${name}`
  const on = async (host: TestHost, command: string) => (await host.run(command)).stdout

  await t.test('the newest backups are copied, verified and restored elsewhere', async (t) => {
    const site = new Site(t, ssh, { keep: 2, copy_to: target('site') })
    await on(vault, 'mkdir /srv/site')
    for (const name of ['one', 'two', 'three']) {
      site.data(name, 50_000)
      t.match(site.run('backup', '--full'), { status: 0, stderr: '' }, name)
    }
    const stored = site.data()
    t.equal(Object.keys(stored).length, 3)
    t.match(await on(vault, 'ls /srv/site/backups | grep -c fsz; ls /srv/site/blobstoragebackups | wc -l'), '2\n2\n')
    const other = new Site(t, ssh)
    other.fetch(target('site'))
    t.match(other.run('verify'), { status: 0, stderr: '' })
    t.match(other.run('prepare'), { status: 0, stderr: '' })
    t.match(other.run('swap'), { status: 0, stderr: '' })
    t.strictSame(other.data(), stored)
  })

  await t.test('a backup in an interrupted copy has its blobs', async (t) => {
    const states = new Set<string>()
    for (const kilobytes of [20, 260, 330, 640]) {
      const name = `cut${kilobytes}`
      // The connection ends when it has carried so much.
      const cut = sshWith(network.knownHosts, `"$@" < <(exec stdbuf -o0 head -c ${kilobytes}000)`)
      const site = new Site(t, cut, { copy_to: target(name) })
      await on(vault, `mkdir /srv/${name}`)
      for (const key of ['one', 'two', 'three']) site.data(key, 100_000)
      const { status } = site.run('backup')
      const files = await on(
        vault,
        `cd /srv/${name}; find . -name '*.fsz' -o -name '*.blob' | grep -v '/\\.[^/]*$' | sort`,
      )
      const [databases, blobs] = [files.match(/\.fsz$/gm)?.length ?? 0, files.match(/\.blob$/gm)?.length ?? 0]
      states.add(`${databases} ${blobs}`)
      if (databases > 0) t.equal(blobs, 3, `${name}: the database has its blobs`)
      if (databases === 0) t.match(site.record(), { status: 1, error: /the copy to .* failed: rsync/ })
      t.equal(status === 0, databases > 0, `${name}: a copy that is not complete is a failed backup`)
    }
    t.ok(states.has('0 0') || states.has('0 1'), 'some copies ended early')
    t.ok(states.has('1 3'), 'and some late')
  })

  await t.test('a copy fails with the reason: another host key, a full disk', async (t) => {
    const forged = `${scratch(t)}/known_hosts`
    const line = fs.readFileSync(network.knownHosts, 'utf8').split('\n')[0] ?? ''
    const other = network.operator.line
    fs.writeFileSync(forged, `${line.split(' ')[0]} ${other}\n`)
    const strange = new Site(t, sshWith(forged), { copy_to: target('strange') })
    strange.data('one', 1000)
    t.match(strange.run('backup'), { status: 1, stderr: /Host key verification failed/ })
    t.match(strange.record(), { status: 1, error: /the copy to .* failed: rsync .*Host key verification failed/s })
    t.equal(await on(vault, 'ls /srv/strange 2>&1 | grep -c "No such"'), '1\n')

    await on(vault, 'mkdir /srv/full && mount -t tmpfs -o size=200k tmpfs /srv/full')
    const full = new Site(t, ssh, { copy_to: target('full') })
    full.data('one', 400_000)
    t.match(full.run('backup'), {
      status: 1,
      stderr: /status 11 \(a file could not be written: its disk may be full\)/,
    })
    t.match(full.record(), { status: 1, error: /its disk may be full/ })
    t.equal(await on(vault, "find /srv/full -name '*.fsz' | wc -l"), '0\n')
  })
})

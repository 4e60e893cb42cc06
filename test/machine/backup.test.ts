/**
 * Tests backups of a real ZEO server: data and blobs are back after both were destroyed, and a backup that fails shows in
 * `status`.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { ZeoSite } from './support/zeo_site.ts'

t.setTimeout(480_000)

/** Connects to the ZEO server, stores a key with a blob or reads all, and stays connected until its input ends. */
const client = `
import ast, json, os, re, sys, tempfile
script, port, key = sys.argv[1:]
text = open(script).read()
sys.path[0:0] = ast.literal_eval(re.search(r'sys\\.path\\[0:0\\] = (\\[[^\\]]*\\])', text).group(1))
import transaction
from ZEO.ClientStorage import ClientStorage
from ZODB.blob import Blob
from ZODB.DB import DB
database = DB(ClientStorage(('127.0.0.1', int(port)), blob_dir=tempfile.mkdtemp(), wait_timeout=20))
root = database.open().root()
if key:
    root[key] = Blob(('blob of ' + key).encode())
    transaction.commit()
print(json.dumps({name: root[name].open().read().decode() for name in root.keys()}), flush=True)
sys.stdin.read()
database.close()
`

const asAccount = (argv: readonly string[], input?: string) =>
  execFileSync('runuser', ['-u', 'www-data', '--', ...argv], { encoding: 'utf8', input, cwd: '/' })

function stored(site: ZeoSite, key = ''): Readonly<Record<string, string>> {
  const script = `${site.directory}/current/bin/zeopack`
  const python = fs.readFileSync(script, 'utf8').split('\n')[0]?.slice(2) ?? ''
  return JSON.parse(asAccount([python, '-c', client, script, `${site.port}`, key], ''))
}

/** Removes the database and the blobs, as a broken disk would. */
function destroy(site: ZeoSite): void {
  for (const directory of [`${site.prefix}/shared/zodb/filestorage`, `${site.directory}/shared/var/blobstorage`])
    for (const name of fs.readdirSync(directory)) fs.rmSync(`${directory}/${name}`, { recursive: true })
}

async function backupFails(t: Test, site: ZeoSite): Promise<void> {
  const backups = `${site.directory}/shared/var/backups`
  fs.chmodSync(backups, 0o555)
  const failed = await site.converge(['backup', 'now', '--full'])
  t.equal(failed.status, 1)
  t.match(failed.output, /Permission denied/)
  const status = await site.converge(['status'])
  t.equal(status.status, 1)
  t.match(status.output, /backup +failed, \d{4}-.*Permission denied/)
  t.match((await site.converge(['status', '--quiet'])).output, /^zeoserver +backup +failed/m)
  fs.chmodSync(backups, 0o755)
}

t.test('a backup is restored after the database and its blobs were destroyed', async (t) => {
  if (!needs(t, ['root', 'git', 'crontab', 'python3 venv', 'pip registry'])) return
  const site = await ZeoSite.make(t, { plone_zeoserver: { enable_backup: true } })
  for (const event of ['setup', 'deploy']) t.equal((await site.run(event)).failure, undefined)
  stored(site, 'first')
  const now = await site.converge(['backup', 'now'])
  t.equal(now.status, 0, now.output)
  t.match((await site.converge(['status'])).output, /backup +succeeded/)

  stored(site, 'second')
  const [, , , , , user, ...line] = (
    fs.readFileSync('/etc/cron.d/converge-zeoserver-backup', 'utf8').split('\n')[1] ?? ''
  ).split(' ')
  t.equal(user, 'www-data')
  asAccount(['sh', '-c', line.join(' ')])
  const list = await site.converge(['backup', 'list', '--json-output'])
  const { backups } = JSON.parse(list.output)
  t.match(backups, [{ full: true }, { full: false }])
  t.ok(backups.every(({ blobs }: { blobs: string | null }) => blobs !== null))
  t.match((await site.converge(['backup', 'verify'])).output, /3 objects, 2 blobs/)
  t.match((await site.converge(['backup', 'verify', backups[0].id])).output, /2 objects, 1 blobs/)

  stored(site, 'third')
  destroy(site)
  const restored = await site.converge(['backup', 'restore'])
  t.equal(restored.status, 0, restored.output)
  t.strictSame(stored(site), { first: 'blob of first', second: 'blob of second' })
  t.equal((await site.converge(['status'])).status, 0)

  const packed = await site.converge(['pack'])
  t.equal(packed.status, 0, packed.output)
  t.strictSame(stored(site, 'fourth'), { first: 'blob of first', second: 'blob of second', fourth: 'blob of fourth' })
  await backupFails(t, site)
})

/** Tests a power cut during a deploy: whatever part of it is on the disk, the next run deploys a complete release. */
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import { GitSite } from '../support/git_site.ts'
import { needs } from '../support/machine.ts'

/** EXT4_IOC_SHUTDOWN with NOLOGFLUSH: data that is not on the disk yet is lost, as after a power cut. */
const cut = 'import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587d, struct.pack("I", 2))'

class Disk {
  constructor(
    private readonly image: string,
    readonly at: string,
  ) {}

  create(): void {
    fs.rmSync(this.image, { force: true })
    fs.writeFileSync(this.image, '')
    fs.truncateSync(this.image, 48 * 1024 * 1024)
    execFileSync('mkfs.ext4', ['-q', this.image])
    this.mount()
  }

  mount(): void {
    execFileSync('mount', ['-o', 'loop', this.image, this.at])
  }

  /** Waits for processes of a killed run before it unmounts the disk. */
  unmount(): void {
    const script = 'for i in $(seq 100); do umount "$0" 2>/dev/null && exit; sleep 0.1; done; umount "$0"'
    execFileSync('sh', ['-c', script, this.at], { stdio: 'pipe' })
  }
}

t.test('a power cut at any git command of a first deploy leaves no incomplete release', async (t) => {
  if (!needs(t, ['root', 'loop mount', 'python3'])) return
  const site = new GitSite(t)
  const disk = new Disk(`${site.root}/image`, `${site.root}/site`)
  t.teardown(() => void spawnSync('umount', ['-l', disk.at], { stdio: 'ignore' }))
  fs.rmSync(disk.at, { recursive: true })
  fs.mkdirSync(disk.at)
  fs.symlinkSync(`${disk.at}/state`, `${site.root}/state`)
  const library = `${site.root}/library`
  site.init(library)
  site.commit({ 'l.txt': 'library' }, 'library', library)
  site.git(site.repository, 'submodule', 'add', '-q', library, 'lib')
  const files = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`src/${at}.txt`, `${at}\n`.repeat(500)]))
  const commit = site.commit(files)

  const wrapper = `${site.root}/bin/git`
  const program = site.read(wrapper)
  // Another program has flushed the directory entries but no content: the files exist and are empty.
  const before = `touch ${disk.at}/other; sync ${disk.at}/other;`
  fs.writeFileSync(wrapper, program.replace('then kill', `then ${before} python3 -c '${cut}' ${disk.at}; kill`))
  let calls = 0
  for (let more = true; more; ) {
    disk.create()
    for (const path of [site.into, site.shared, `${disk.at}/state`]) fs.mkdirSync(path)
    execFileSync('sync', ['-f', disk.at])
    more = site.deployKilledAt(++calls, { links: { log: 'var/log' } })
    // The last deploy was not interrupted: the cut happens right after it.
    if (!more) execFileSync('python3', ['-c', cut, disk.at])
    disk.unmount()
    disk.mount()
    const { failure, currentId: current } = await site.deploy({ links: { log: 'var/log' } })
    t.equal(failure, undefined, `after a cut at command ${calls}`)
    t.match(current, commit.slice(0, 8))
    t.equal(site.git(site.current, 'status', '--porcelain'), '', 'every file is whole')
    t.equal(site.read(`${site.current}/lib/l.txt`), 'library')
    t.equal((await site.deploy({ links: { log: 'var/log' } })).report.outcome, 'unchanged')
    disk.unmount()
  }
  t.ok(calls > 8, `${calls} commands`)
})

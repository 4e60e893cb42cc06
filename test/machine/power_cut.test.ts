/**
 * Tests a power cut during a deploy: whatever part of it is on the disk, the next run deploys a complete release. Which files
 * are on the disk follows from a seed; `POWER_CUT_SEED=7 node --import=tsx test/machine/power_cut.test.ts` tries another one.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { GitSite } from '../support/git_site.ts'
import { needs } from '../support/machine.ts'

t.setTimeout(600_000)

const seed = process.env.POWER_CUT_SEED ?? '1'

/**
 * EXT4_IOC_SHUTDOWN with NOLOGFLUSH: data that is not on the disk yet is lost, as after a power cut. Before that, the content
 * of one file of ten reaches the disk; $2 selects them.
 */
const cut = `
import fcntl, os, random, struct, sys
chosen = random.Random(sys.argv[2])
for directory, _, names in sorted(os.walk(sys.argv[1])):
    for name in sorted(names):
        path = directory + '/' + name
        if chosen.random() < 0.1 and os.path.isfile(path) and not os.path.islink(path):
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587d, struct.pack("I", 2))
`

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

const links = { links: { log: 'var/log' } }

function build(t: Test) {
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

  const wrapper = `${site.root}/bin/git`
  const program = site.read(wrapper)
  fs.writeFileSync(`${site.root}/cut.py`, cut)
  const command = `python3 ${site.root}/cut.py ${disk.at} ${seed}-$(cat ${site.root}/kill-at)`
  // Another program has flushed the directory entries but no content: the files exist and are empty.
  const before = `touch ${disk.at}/other; sync ${disk.at}/other;`
  fs.writeFileSync(wrapper, program.replace('then kill', `then ${before} ${command}; kill`))

  const commit = (text: string) => {
    const files = Array.from({ length: 30 }, (_, at) => [`src/${at}.txt`, `${text} ${at}\n`.repeat(500)])
    return site.commit(Object.fromEntries(files))
  }
  const prepare = () => {
    disk.create()
    for (const path of [site.into, site.shared, `${disk.at}/state`]) fs.mkdirSync(path)
    execFileSync('sync', ['-f', disk.at])
  }
  /** @returns whether the cut came during the deploy, and not right after it */
  const deployUntilCut = (call: number) => {
    const during = site.deployKilledAt(call, links)
    if (!during) execFileSync('python3', [`${site.root}/cut.py`, disk.at, `${seed}-${call}`])
    disk.unmount()
    disk.mount()
    return during
  }
  const repaired = async (t: Test, call: number, expected: string) => {
    const { failure, currentId: current } = await site.deploy(links)
    t.equal(failure, undefined, `after a cut at command ${call}, with the seed ${seed}`)
    t.match(current, expected.slice(0, 8))
    t.equal(site.git(site.current, 'status', '--porcelain'), '', 'every file is whole')
    t.equal(site.read(`${site.current}/lib/l.txt`), 'library')
    t.equal((await site.deploy(links)).report.outcome, 'unchanged')
  }
  return { disk, commit, prepare, deployUntilCut, repaired }
}

t.test('a power cut at any git command of a first deploy leaves no incomplete release', async (t) => {
  if (!needs(t, ['root', 'loop mount', 'python3'])) return
  const { disk, commit, prepare, deployUntilCut, repaired } = build(t)
  const expected = commit('first')
  let calls = 0
  for (let more = true; more; ) {
    prepare()
    more = deployUntilCut(++calls)
    await repaired(t, calls, expected)
    disk.unmount()
  }
  t.ok(calls > 8, `${calls} commands`)
})

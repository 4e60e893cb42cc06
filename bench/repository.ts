/** Creates the git repository for deploys: 3,000 files and 31 MB; 30 files change from one deploy to the next. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { baseEnvironment } from './measure.ts'

const fileCount = 3000
const changedCount = 30
const sizes = [2_000, 4_000, 8_000, 26_800]

export class Repository {
  private readonly work: string
  /** The bare repository for deploys. */
  readonly bare: string
  private changes = 0

  constructor(private readonly root: string) {
    this.work = `${root}/work`
    this.bare = `${root}/repository.git`
    const random = randomFrom(7)
    for (let index = 0; index < fileCount; index++) {
      const path = this.path(index)
      fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
      fs.writeFileSync(path, content(random, sizes[Math.floor(random() * sizes.length)] ?? 0))
    }
    this.git('init', '--quiet', '--initial-branch=main')
    this.git('add', '.')
    this.git('commit', '--quiet', '--message=first')
    this.git('clone', '--quiet', '--bare', this.work, this.bare)
  }

  /** Size of all files in MB. */
  get size(): number {
    const bytes = Array.from({ length: fileCount }, (_, index) => fs.statSync(this.path(index)).size)
    return bytes.reduce((sum, one) => sum + one, 0) / 1e6
  }

  /** Commits a change of some files, which are far apart from each other. */
  change(): void {
    this.changes++
    for (let index = 0; index < changedCount; index++)
      fs.appendFileSync(this.path((index * 97 + this.changes) % fileCount), `// change ${this.changes}\n`)
    this.git('commit', '--quiet', '--all', `--message=change ${this.changes}`)
    this.git('push', '--quiet', this.bare, 'main')
  }

  /** @throws Error if the directory does not contain the files of the last commit */
  verify(directory: string): void {
    for (let index = 0; index < fileCount; index++) {
      const path = this.path(index)
      const deployed = `${directory}/${path.slice(this.work.length + 1)}`
      if (!fs.readFileSync(path).equals(fs.readFileSync(deployed)))
        throw new Error(`${deployed} differs from the commit`)
    }
  }

  private path(index: number): string {
    return `${this.work}/app/module${index % 30}/part${Math.floor(index / 30) % 10}/file${index}.js`
  }

  private git(...args: string[]): void {
    const who = ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org', '-c', 'gc.auto=0']
    const { status, stderr } = spawnSync('git', [...who, ...args], {
      cwd: this.work,
      env: { ...baseEnvironment(this.root), GIT_CONFIG_GLOBAL: '/dev/null' },
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  }
}

/** Makes content of which half cannot be compressed and half is text, as in a site with pictures. */
function content(random: () => number, size: number): Buffer {
  const noise = Buffer.from(Uint32Array.from({ length: size / 8 }, () => random() * 2 ** 32).buffer)
  const line = `const value = ${Math.floor(random() * 1e9)};\n`
  return Buffer.concat([noise, Buffer.from(line.repeat(Math.ceil(size / 2 / line.length)))])
}

/** Returns a generator (mulberry32) of the same numbers in every run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

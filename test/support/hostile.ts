/** Creates what the account of an app can put in place of a file that root reads. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'

/** The content of each file that only root may read. */
export const secret = 'only-root-may-read-this'
/** The user and group id of the account that attacks. */
export const nobody = 65_534

export interface Hostile {
  readonly name: string
  /** Creates the object at the path; `precious` is a file that only root can read, and contains `secret`. */
  readonly put: (path: string, precious: string) => void
}

export const hostileKinds = [
  { name: 'FIFO', put: (path) => spawnSync('mkfifo', [path]) },
  { name: 'link to /dev/zero', put: (path) => fs.symlinkSync('/dev/zero', path) },
  { name: 'link to a file of root', put: (path, precious) => fs.symlinkSync(precious, path) },
  { name: 'link to itself', put: (path) => fs.symlinkSync(path, path) },
  { name: 'hard link to a file of root', put: (path, precious) => fs.linkSync(precious, path) },
  { name: 'sparse file of 5 GB', put: (path) => makeSparseFile(path, 5e9) },
  { name: 'directory', put: (path) => fs.mkdirSync(path) },
  { name: 'socket', put: makeSocket },
] as const satisfies readonly Hostile[]
export type HostileName = (typeof hostileKinds)[number]['name']

function makeSparseFile(path: string, size: number): void {
  fs.writeFileSync(path, '')
  fs.truncateSync(path, size)
}

export function makeSocket(path: string): void {
  // A socket path has at most 107 bytes.
  const name = path.slice(path.lastIndexOf('/') + 1)
  const script = 'import os, socket, sys\nos.chdir(sys.argv[1])\nsocket.socket(socket.AF_UNIX).bind(sys.argv[2])'
  spawnSync('python3', ['-c', script, path.slice(0, path.lastIndexOf('/')), name])
}

/** Removes what exists at the path and creates the hostile object there. */
export function plant(kind: Hostile, path: string, precious: string): void {
  fs.rmSync(path, { recursive: true, force: true })
  kind.put(path, precious)
  if (fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) throw new Error(`no ${kind.name} at ${path}`)
  if (kind.name !== 'hard link to a file of root') fs.lchownSync(path, nobody, nobody)
}

/**
 * Swaps a file and a link to `target` at the path, as fast as possible, until the caller calls the returned function.
 */
export async function swapper(path: string, target: string): Promise<() => Promise<void>> {
  const script = `import os, sys
path, target = sys.argv[1:]
print('ready', flush=True)
while True:
    with open(path + '.a', 'w') as file: file.write('harmless')
    os.rename(path + '.a', path)
    os.symlink(target, path + '.b')
    os.rename(path + '.b', path)`
  const child = spawn('python3', ['-c', script, path, target], {
    uid: nobody,
    gid: nobody,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  return async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

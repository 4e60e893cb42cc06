/** Runs a script as root in a copy of the system, and discards the copy with all processes started in it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { childOutput } from './child_output.ts'
import { type Need, scratch } from './machine.ts'

const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Locked while packages of the system change: a copy that is made in between has an interrupted dpkg. */
const packagesLock = `${tmpdir()}/converge-test-packages.lock`

/** Keeps other tests from copying the system while this one installs packages. */
export async function lockPackages(t: Test): Promise<void> {
  const child = spawn('flock', ['--exclusive', '--no-fork', packagesLock, 'sh', '-c', 'echo locked; exec cat'])
  t.teardown(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
}

/** The requirements of the copy. */
export const systemCopyNeeds: readonly Need[] = ['root', 'tmpfs', 'overlay']

/** The whole file system below a layer that receives every write; the project likewise, wherever it is mounted. */
const copyOfSystem = `set -e
cd "$1"
mkdir layer system
mount -t tmpfs -o mode=755 tmpfs layer
mkdir layer/upper layer/work layer/project layer/project-work
mount -t overlay overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work system
mount -t proc proc system/proc
mount --rbind /dev system/dev
mount -t tmpfs tmpfs system/tmp
mount -t tmpfs -o mode=755 tmpfs system/run
mkdir -p "system$2"
mount -t overlay overlay -o lowerdir="$2",upperdir=layer/project,workdir=layer/project-work "system$2"
cp -r given/. system/tmp/
if [ "$3" = own ]; then ip link set lo up; fi
exec chroot system /bin/bash /tmp/inside.sh "$2"`

export interface SystemCopy {
  /** Directory whose files appear in /tmp of the copy. */
  readonly given: string
  /** Runs a bash script in the project's directory; each part of its output begins with `== name`. */
  run(script: string, options?: { readonly network?: 'own' | 'shared' }): Promise<Ended>
}

interface Ended {
  readonly status: number | null
  readonly output: string
  part(name: string): string
}

export function systemCopy(t: Test): SystemCopy {
  const directory = scratch(t)
  const given = scratch(t)
  return {
    given,
    run(script, { network = 'own' } = {}) {
      // Without this, tap loads itself into every Node process that the script starts.
      const head = 'unset NODE_OPTIONS\ncd "$1"\nexport HOME=/root LANG=C.UTF-8\n'
      writeFileSync(`${given}/inside.sh`, `${head}${script}`)
      const own = network === 'own' ? ['--net'] : []
      const namespaces = ['--mount', '--pid', ...own, '--fork', '--kill-child', '--propagation', 'private']
      const prepare = `ln -s ${given} "$1/given"\n${copyOfSystem}`
      const lock = ['--shared', '--no-fork', packagesLock]
      const copy = ['unshare', ...namespaces, 'bash', '-c', prepare, 'bash', directory, project, network]
      const child = spawn('flock', [...lock, ...copy], {
        env: { PATH: process.env.PATH },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      t.teardown(() => void child.kill('SIGKILL'))
      return childOutput(child).then(({ status, output }) => {
        const parts = new Map(output.split(/^== /m).map((part) => [part.slice(0, part.indexOf('\n')), part]))
        return { status, output, part: (name: string) => parts.get(name) ?? '' }
      })
    },
  }
}

/** Makes a network bridge for a test, and first removes those of killed tests. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { promisify } from 'node:util'
import { acquireLock } from '../../../core/host/lock.ts'
import { minutes } from '../../../core/model/units.ts'

const execute = promisify(execFile)

/** Runs a bash script to its end, with words as $1, $2, …; throws an error with its output if it fails. */
export async function script(text: string, ...words: string[]): Promise<string> {
  // If its input is a socket, bash assumes that rsh started it, and reads the tester's .bashrc.
  const { stdout } = await execute('bash', ['--norc', '-c', `set -e\n${text}`, 'bash', ...words], {
    env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LANG: 'C.UTF-8' },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

/**
 * Not below the temporary directory: it contains mounts, and a program that cleans up there would delete what is
 * mounted.
 */
const base = '/run/converge-test-hosts'
const subnetOf = (number: number) => `10.77.${number}`
const mostNetworks = 250

export interface Ground {
  /** A prefix that is unique on this computer; names of interfaces and namespaces begin with it. */
  readonly prefix: string
  /** The first three numbers of its addresses; this computer has .1. */
  readonly subnet: string
  readonly directory: string
  clear(): Promise<void>
}

/** Claims an unused subnet, and a directory for mounts. */
export async function claimGround(): Promise<Ground> {
  const number = await locked(async () => {
    for (const old of claimed()) if (!alive(old)) await clear(old)
    const taken = new Set(claimed())
    for (let next = 0; next < mostNetworks; next++)
      if (!taken.has(next) && !onMachine(subnetOf(next))) {
        mkdirSync(directoryOf(next), { recursive: true })
        writeFileSync(`${directoryOf(next)}/owner`, `${process.pid} ${startOf(process.pid)}`)
        return next
      }
    throw new Error('each subnet for test hosts is taken')
  })
  const [prefix, subnet] = [prefixOf(number), subnetOf(number)]
  // Without a fixed address, the bridge would change its own when hosts start and stop.
  const address = `02:c0:77:00:${number.toString(16).padStart(2, '0')}:01`
  await script(
    'ip link add $1 address $2 type bridge; ip addr add $3.1/24 dev $1; ip link set $1 up',
    prefix,
    address,
    subnet,
  )
  return { prefix, subnet, directory: directoryOf(number), clear: () => locked(() => clear(number)) }
}

const directoryOf = (number: number) => `${base}/net-${number}`
const prefixOf = (number: number) => `cvt${number}`

async function locked<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(base, { recursive: true })
  const lock = await acquireLock(`${base}/lock`, 'test hosts', minutes(3))
  try {
    return await work()
  } finally {
    lock.release()
  }
}

function claimed(): number[] {
  return readdirSync(base)
    .flatMap((name) => /^net-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
}

/** Whether the process that claimed it still runs, and is not another one with the same pid. */
function alive(number: number): boolean {
  const owner = `${directoryOf(number)}/owner`
  if (!existsSync(owner)) return false
  const [pid = '', start] = readFileSync(owner, 'utf8').split(' ')
  return startOf(Number(pid)) === start
}

/** Returns the clock ticks from boot to the start of a process; null if it has exited. */
function startOf(pid: number): string | null {
  return statOf(pid)?.[19] ?? null
}

/** Returns true for zombies as well: the first process of a host may not reap them immediately. */
export function hasEnded(pid: number): boolean {
  return ['Z', 'X'].includes(statOf(pid)?.[0] ?? 'X')
}

/** Returns the fields of proc(5)'s stat file, starting with the state; null if the process has exited. */
function statOf(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

function onMachine(subnet: string): boolean {
  return Object.values(networkInterfaces())
    .flat()
    .some((own) => own?.address.startsWith(`${subnet}.`))
}

/** Ends the network's processes and removes it, even if only parts of it remain. */
async function clear(number: number): Promise<void> {
  await script(
    `
namespaces() { ip netns list | cut -d ' ' -f 1 | grep "^$1-" || true; }
for name in $(namespaces "$1"); do
  for pid in $(ip netns pids $name); do kill -9 $pid 2>/dev/null || true; done
done
ip -o link show | cut -d ' ' -f 2 | cut -d @ -f 1 | tr -d : | grep -E "^$1(-|$)" | while read -r link; do
  ip link delete $link 2>/dev/null || true
done
for name in $(namespaces "$1"); do ip netns delete $name; done
# A mount below another one comes first.
grep -F " $2/" /proc/self/mounts | cut -d ' ' -f 2 | tac | while read -r mount; do umount -l "$mount"; done
if [ -d "$2/cgroup" ]; then
  unshare --mount --propagation private bash -c '
mount -t cgroup2 none "$1/cgroup"
for group in "$1/cgroup/$2"-*; do [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +; done
' bash "$2" "$1"
fi
`,
    prefixOf(number),
    directoryOf(number),
  )
  rmSync(directoryOf(number), { recursive: true, force: true })
}

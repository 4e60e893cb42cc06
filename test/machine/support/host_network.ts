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
 * The directory of all claims. It contains mounts, so it is not below the temporary directory: a program that cleans up
 * there would delete what is mounted.
 */
const claimsDirectory = '/run/converge-test-hosts'
const subnetOf = (number: number) => `10.77.${number}`
const networkLimit = 250

export interface NetworkClaim {
  /** A prefix that is unique on this computer; names of interfaces and namespaces begin with it. */
  readonly prefix: string
  /** The first three numbers of its addresses; this computer has .1. */
  readonly subnet: string
  readonly directory: string
  clear(): Promise<void>
}

/** Claims an unused subnet, and a directory for mounts. */
export async function claimNetwork(): Promise<NetworkClaim> {
  const number = await locked(async () => {
    for (const old of claimedNumbers()) if (!isOwnerAlive(old)) await clear(old)
    const taken = new Set(claimedNumbers())
    for (let next = 0; next < networkLimit; next++)
      if (!taken.has(next) && !isUsedHere(subnetOf(next))) {
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

const directoryOf = (number: number) => `${claimsDirectory}/net-${number}`
const prefixOf = (number: number) => `cvt${number}`

async function locked<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(claimsDirectory, { recursive: true })
  const lock = await acquireLock(`${claimsDirectory}/lock`, 'test hosts', minutes(3))
  try {
    return await work()
  } finally {
    lock.release()
  }
}

function claimedNumbers(): number[] {
  return readdirSync(claimsDirectory)
    .flatMap((name) => /^net-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
}

/** Decides whether the process that claimed a network still runs, and is not another one with the same pid. */
function isOwnerAlive(number: number): boolean {
  const owner = `${directoryOf(number)}/owner`
  if (!existsSync(owner)) return false
  const [pid = '', start] = readFileSync(owner, 'utf8').split(' ')
  return startOf(Number(pid)) === start
}

/** Returns the clock ticks from boot to the start of a process; null if it has exited. */
function startOf(pid: number): string | null {
  return statOf(pid)?.[19] ?? null
}

/** Decides whether a process has ended. Zombies count as well: the first process of a host may not reap them at once. */
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

function isUsedHere(subnet: string): boolean {
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

/** Runs a shell script as root in a copy of the system, and discards the copy with all processes started in it. */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConvergeError } from '../model/errors.ts'
import { shellWord } from '../text/shell.ts'

export interface SystemCopyOptions {
  /** Shell script that runs in the working directory, with the standard streams of this process. */
  readonly script: string
  /** Whether programs in the copy use the network of the system; else they have a loopback interface only. */
  readonly sharesNetwork: boolean
}

/** Exit status of a script whose copy could be made starts here, because mount and unshare use the lower ones. */
export const firstScriptStatus = 64

/**
 * Copies the whole file system below a layer in memory that receives every write, with processes, network, host name and
 * kernel settings of its own.
 * @returns the exit status of the script, which must be at least {@link firstScriptStatus}
 * @throws NO_COPY if the system permits no such copy
 */
export async function inSystemCopy({ script, sharesNetwork }: SystemCopyOptions): Promise<number> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'converge-verify-'))
  try {
    const mounts = copiedMounts(fs.readFileSync('/proc/self/mountinfo', 'utf8'))
    const setUp = setUpScript(directory, mounts, { script, sharesNetwork })
    const namespaces = ['--mount', '--pid', '--uts', '--ipc', ...(sharesNetwork ? [] : ['--net'])]
    const args = [...namespaces, '--fork', '--kill-child', '--propagation', 'private', 'sh', '-c', setUp]
    const { status, errors } = await runToEnd('unshare', args)
    if (status >= firstScriptStatus) return status
    throw noCopy(errors)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

/** @param errors what unshare and the script that sets the copy up printed */
export function noCopy(errors: string): ConvergeError {
  const [, missing] = /^spawn (\S+) ENOENT$/m.exec(errors) ?? /^(?:sh: \d+: )?(\w+): not found$/m.exec(errors) ?? []
  const lines = errors.split('\n').map((line) => line.trim())
  // mount adds this line to what it could not do.
  const reason = lines.filter((line) => line !== '' && !line.startsWith('dmesg(1)')).at(-1) ?? 'the copy ended early'
  const why = missing === undefined ? reason : `there is no program ${missing}`
  return new ConvergeError(`cannot copy the system: ${why}`, {
    code: 'NO_COPY',
    hint: 'run it as root on a host or virtual machine, or in a container with --privileged; unshare, setpriv and overlay mounts are required',
    output: errors,
  })
}

/** An interrupt reaches the processes of the copy too: the copy ends, and then this function. */
function runToEnd(
  program: string,
  args: readonly string[],
): Promise<{ readonly status: number; readonly errors: string }> {
  const wait = () => undefined
  process.on('SIGINT', wait)
  return new Promise<{ status: number; errors: string }>((resolve) => {
    const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'pipe', 2] })
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    child.once('error', (error) => resolve({ status: 0, errors: error.message }))
    child.once('close', (status) => resolve({ status: status ?? 0, errors }))
  }).finally(() => process.off('SIGINT', wait))
}

/** Devices, kernel interfaces and sockets of running programs: the copy has its own. */
const ownDirectories = /^\/(proc|sys|dev|run)(\/|$)/

/** @returns mount points below /, parents first */
export function copiedMounts(mountinfo: string): readonly string[] {
  const points = mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '')
  const unescaped = points.map((point) =>
    point.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
  )
  const selected = unescaped.filter((point) => point.startsWith('/') && point !== '/' && !ownDirectories.test(point))
  return [...new Set(selected)].sort()
}

/** Capabilities that act on the whole system in spite of the namespaces: clock, modules, devices, restart, log of the kernel. */
const withheldCapabilities = [
  'sys_time',
  'sys_module',
  'sys_rawio',
  'sys_boot',
  'mknod',
  'syslog',
  'audit_control',
  'wake_alarm',
]

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

function setUpScript(
  directory: string,
  mounts: readonly string[],
  { script, sharesNetwork }: SystemCopyOptions,
): string {
  const lines = [
    'set -e',
    `cd ${shellWord(directory)}`,
    'mkdir layer system',
    'mount -t tmpfs -o mode=755 converge-verify layer',
    ...overlay('/', 0),
    ...mounts.flatMap((mount, index) => copiedMount(mount, index + 1)),
    'mount -t proc proc system/proc',
    // Kernel settings have no namespace: the copy has files with their values.
    'mkdir layer/settings',
    'cp -r system/proc/sys/. layer/settings/ 2>/dev/null || true',
    'mount --bind layer/settings system/proc/sys',
    'mount -t sysfs -o ro sysfs system/sys',
    'mount -t tmpfs -o mode=755 tmpfs system/dev',
    'mkdir system/dev/pts system/dev/shm',
    'mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts system/dev/pts',
    'mount -t tmpfs -o mode=1777 tmpfs system/dev/shm',
    'ln -s pts/ptmx system/dev/ptmx',
    ...devices.map((name) => `touch system/dev/${name}; mount --bind /dev/${name} system/dev/${name}`),
    'ln -s /proc/self/fd system/dev/fd; ln -s fd/0 system/dev/stdin; ln -s fd/1 system/dev/stdout; ln -s fd/2 system/dev/stderr',
    'mount -t tmpfs -o mode=755 tmpfs system/run',
    'mkdir -m 1777 system/run/lock',
    // The resolver's file may be a link to a file in /run.
    'resolver=$(readlink -f /etc/resolv.conf || true)',
    'case "$resolver" in /run/*) mkdir -p "system$(dirname "$resolver")"; cp "$resolver" "system$resolver";; esac',
    ...(sharesNetwork ? [] : ['ip link set lo up']),
    'mkdir -p system/.converge-old',
    'cd system',
    'pivot_root . .converge-old',
    'cd /',
    'umount -l /.converge-old',
    'rmdir /.converge-old',
    `cd ${shellWord(process.cwd())}`,
    'exec 2>&3 3>&-',
    `exec setpriv --bounding-set ${withheldCapabilities.map((name) => `-${name}`).join(',')} sh -c ${shellWord(script)}`,
  ]
  return lines.join('\n')
}

/** Files are mounted in containers, such as /etc/hosts. A file system that takes no overlay is readable only. */
function copiedMount(mount: string, index: number): string[] {
  const [source, target] = [shellWord(mount), shellWord(`system${mount}`)]
  return [
    `if [ -d ${source} ]; then`,
    `mkdir -p ${target}`,
    `{ ${overlay(mount, index).join(' && ')}; } 2>/dev/null || { mount --bind ${source} ${target}; mount -o remount,bind,ro ${target}; }`,
    `elif [ -f ${source} ]; then cat ${source} > ${target}; fi`,
  ]
}

function overlay(mount: string, index: number): string[] {
  const layer = `layer/${index}`
  const lower = mount.replace(/[\\:,]/g, '\\$&')
  const options = `lowerdir=${lower},upperdir=${layer}/upper,workdir=${layer}/work`
  return [
    `mkdir -p ${layer}/upper ${layer}/work`,
    `mount -t overlay overlay -o ${shellWord(options)} ${shellWord(`system${mount}`)}`,
  ]
}

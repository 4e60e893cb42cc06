/** Builds the files of a fresh host: those of this computer, without what a separate host would not have. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { script } from './host_network.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))

/** Directories that exist on a fresh host but are empty. */
const emptied: Readonly<Record<string, number>> = {
  '/root': 0o700,
  '/home': 0o755,
  '/srv': 0o755,
  '/mnt': 0o755,
  '/run': 0o755,
  '/proc': 0o555,
  '/sys': 0o555,
  '/dev': 0o755,
  '/tmp': 0o1777,
  '/var/tmp': 0o1777,
  '/var/log/journal': 0o755,
  '/var/spool/cron/crontabs': 0o1730,
  '/var/lib/cloud': 0o755,
  '/etc/ssh': 0o755,
  '/etc/sudoers.d': 0o750,
  '/etc/systemd/system': 0o755,
}

const hiddenPaths = [
  '/var/lib/converge',
  '/etc/converge',
  '/usr/sbin/policy-rc.d',
  '/.dockerenv',
  project.replace(/\/$/, ''),
  ...['node', 'nodejs', 'npm', 'npx'].flatMap((name) =>
    ['/usr/local/bin', '/usr/bin', '/bin'].map((path) => `${path}/${name}`),
  ),
]

/** Names in / on any Debian; all other entries are specific to this computer. */
const usualRootEntries =
  /^(bin|boot|dev|etc|home|lib\w*|lost\+found|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(\.\S+)?$/

/** Units that have no purpose on such a host, or that require dedicated hardware. */
export const masked = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'man-db.timer',
  'systemd-networkd.service',
  'systemd-resolved.service',
  'systemd-timesyncd.service',
  'systemd-update-utmp.service',
  'systemd-update-utmp-runlevel.service',
  'systemd-modules-load.service',
  'systemd-remount-fs.service',
  'systemd-udevd.service',
  'systemd-udev-trigger.service',
  'console-getty.service',
  'getty.target',
  'cloud-init.target',
]

/** The device files of a container. */
const devices = `
cd "$1/layer/dev"
mkdir pts shm
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 \${device%:*} c 1 \${device#*:}; done
mknod -m 666 tty c 5 0
ln -s pts/ptmx ptmx
ln -s /proc/self/fd fd
ln -s /proc/self/fd/0 stdin; ln -s /proc/self/fd/1 stdout; ln -s /proc/self/fd/2 stderr
cd /`

/** Makes the layer between the local files and a host's own, once for all hosts of a network. */
export async function commonLayer(directory: string): Promise<string> {
  const own = readdirSync('/').flatMap((name) => (usualRootEntries.test(name) ? [] : `/${name}`))
  const hidden = [...Object.keys(emptied), ...hiddenPaths, ...own]
  await script(
    `
mkdir -p "$1/mounted" "$1/layer"
mount -t tmpfs -o mode=755 tmpfs "$1/layer"
mkdir "$1/layer/common" "$1/layer/work" "$1/layer/dev"
${devices}
${whiteouts('$1/layer/common')}
mount -t overlay overlay -o lowerdir=/,upperdir="$1/layer/common",workdir="$1/layer/work" "$1/mounted"
`,
    directory,
    ...realPaths(hidden),
  )
  const mounted = `${directory}/mounted`
  for (const [path, mode] of Object.entries(emptied)) {
    mkdirSync(`${mounted}${path}`, { recursive: true })
    chmodSync(`${mounted}${path}`, mode)
  }
  await script(
    `
cd "$1/mounted"
[ ! -e /var/spool/cron/crontabs ] || chown --reference=/var/spool/cron/crontabs var/spool/cron/crontabs
mkdir -p home/user etc/systemd/system/multi-user.target.wants
rmdir home/user
echo > etc/resolv.conf
ln -s /lib/systemd/system/multi-user.target etc/systemd/system/default.target
for unit in ${masked.join(' ')}; do ln -s /dev/null etc/systemd/system/$unit; done
cd /
umount "$1/mounted"
`,
    directory,
  )
  return `${directory}/layer/common`
}

/** Returns commands that hide the paths $2, $3, … in a layer; `real` returns such paths. */
export function whiteouts(layer: string): string {
  return `for path in "\${@:2}"; do
  up=""
  for part in $(dirname "$path" | tr / ' '); do
    up="$up/$part"
    if [ ! -d "${layer}$up" ]; then
      mkdir "${layer}$up"; chmod --reference="$up" "${layer}$up"; chown --reference="$up" "${layer}$up"
    fi
  done
  [ -e "${layer}$path" ] || mknod "${layer}$path" c 0 0
done`
}

/**
 * Returns those of the paths that exist, by their real directories, so that a link to a directory stays a link. Leaves
 * out paths below another one.
 */
export function realPaths(paths: readonly string[]): string[] {
  const present = paths.filter((path) => existsSync(dirname(path)))
  const resolved = present.map((path) => `${realpathSync(dirname(path)).replace(/\/$/, '')}/${basename(path)}`)
  const below = (path: string) => resolved.some((other) => path.startsWith(`${other}/`))
  return [...new Set(resolved)].filter((path) => existsSync(path) && !below(path))
}

export interface Account {
  /** Public keys that may log in; default: that of the network's operator. */
  readonly authorized?: readonly string[]
  /** Whether the account may use sudo; default: no. With `'password'` it must enter its own. */
  readonly sudo?: 'free' | 'password'
  readonly password?: string
}

export interface Identity {
  readonly name: string
  readonly address: string
  readonly machineId: string
}

/** Writes the files that identify the host. */
export function writeIdentity(root: string, { name, address, machineId }: Identity): void {
  writeFileWithParents(`${root}/etc/hostname`, `${name}\n`)
  writeFileWithParents(`${root}/etc/hosts`, `127.0.0.1 localhost\n::1 localhost\n${address} ${name}\n`)
  writeFileWithParents(`${root}/etc/machine-id`, `${machineId}\n`)
}

export function writeAccounts(
  root: string,
  accounts: Readonly<Record<string, Account>>,
  operator: string,
  rootKeys: readonly string[] = [operator],
): void {
  if (rootKeys.length > 0) authorize(`${root}/root`, rootKeys, 0)
  for (const [index, [name, account]] of Object.entries(accounts).entries()) {
    const id = 2000 + index
    const home = `/home/${name}`
    appendFileSync(`${root}/etc/passwd`, `${name}:x:${id}:${id}::${home}:/bin/bash\n`)
    appendFileSync(`${root}/etc/group`, `${name}:x:${id}:\n`)
    appendFileSync(`${root}/etc/shadow`, `${name}:${hashOf(account.password)}:19000:0:99999:7:::\n`)
    mkdirSync(`${root}${home}`)
    chownSync(`${root}${home}`, id, id)
    authorize(`${root}${home}`, account.authorized ?? [operator], id)
    if (account.sudo !== undefined)
      writeFileWithParents(
        `${root}/etc/sudoers.d/${name}`,
        `${name} ALL=(ALL:ALL) ${account.sudo === 'free' ? 'NOPASSWD: ' : ''}ALL\n`,
        0o440,
      )
  }
}

function authorize(home: string, keys: readonly string[], id: number): void {
  writeFileWithParents(`${home}/.ssh/authorized_keys`, `${keys.join('\n')}\n`, 0o600)
  chmodSync(`${home}/.ssh`, 0o700)
  for (const path of [`${home}/.ssh`, `${home}/.ssh/authorized_keys`]) chownSync(path, id, id)
}

/** Hashes a password; none: `*`, which no password matches. With `!`, sshd would not let the account log in at all. */
function hashOf(password: string | undefined): string {
  if (password === undefined) return '*'
  const result = spawnSync('openssl', ['passwd', '-6', '-stdin'], { input: password, encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`openssl passwd: ${result.stderr}`)
  return result.stdout.trim()
}

export function writeFileWithParents(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
}

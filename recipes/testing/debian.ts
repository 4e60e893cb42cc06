/** Describes a Debian host without applications: its directories, kernel settings, and what some packages install. */
import type { VirtualHost } from '../../core/host/virtual.ts'
import type { Program } from './account_programs.ts'

/** The content of a package that a test installs. */
export interface PackageContent {
  /** Version; default `1.0`. */
  readonly version?: string | undefined
  /** Files of the package by path: text, or `null` for a directory. Existing files stay. Default: none. */
  readonly files?: Readonly<Record<string, string | null>> | undefined
  /** Services of the package, stopped and disabled at first. Default: one with the name of the package. */
  readonly services?: readonly string[] | undefined
}

const directories = `
  /boot /home /media /mnt /opt /srv /usr/bin /usr/lib /usr/sbin /usr/share
  /usr/local/bin /usr/local/etc /usr/local/lib /usr/local/sbin /usr/local/share
  /etc/alternatives /etc/apt/apt.conf.d /etc/apt/keyrings /etc/apt/preferences.d /etc/apt/sources.list.d
  /etc/cron.d /etc/cron.daily /etc/default /etc/init.d /etc/logrotate.d /etc/network /etc/pam.d /etc/profile.d
  /etc/security /etc/skel /etc/ssl/certs /etc/ssl/private /etc/sysctl.d /etc/systemd/system /etc/tmpfiles.d
  /var/backups /var/cache /var/lib /var/local /var/log /var/mail /var/opt /var/spool
  /dev /proc/self /run/lock /run/systemd/system
`
  .trim()
  .split(/\s+/)

/** Values of a Linux 6 kernel with 1 GiB of memory. */
const kernelSettings: Readonly<Record<string, string>> = {
  'fs/file-max': '9223372036854775807',
  'fs/inotify/max_user_instances': '128',
  'fs/inotify/max_user_watches': '8192',
  'kernel/hostname': 'localhost',
  'kernel/pid_max': '32768',
  'net/core/rmem_max': '212992',
  'net/core/somaxconn': '4096',
  'net/core/wmem_max': '212992',
  'net/ipv4/ip_forward': '0',
  'net/ipv4/ip_local_port_range': '32768\t60999',
  'net/ipv4/tcp_fin_timeout': '60',
  'net/ipv4/tcp_keepalive_time': '7200',
  'net/ipv4/tcp_max_syn_backlog': '128',
  'net/ipv4/tcp_syncookies': '1',
  'net/ipv4/tcp_tw_reuse': '2',
  'net/ipv6/conf/all/disable_ipv6': '0',
  'net/ipv6/conf/all/forwarding': '0',
  'vm/dirty_ratio': '20',
  'vm/max_map_count': '65530',
  'vm/overcommit_memory': '0',
  'vm/swappiness': '60',
}

const mounts = '/proc/self/mounts'
const rulesOfKernel = '/proc/imitated/nftables'

function mountsWithout(host: VirtualHost, path: string): string[] {
  return (host.readText(mounts) ?? '').split('\n').filter((line) => line !== '' && line.split(' ')[1] !== path)
}

const setting = (name: string) => `/proc/sys/${name}`

/** Gives a host what every Debian host has. */
export function giveDebian(host: VirtualHost): void {
  for (const path of directories) host.given(path, null)
  host.given('/root', null, '0700').given('/tmp', null, '1777').given('/var/tmp', null, '1777')
  host.given('/etc/hostname', 'localhost\n').given('/etc/hosts', '127.0.0.1\tlocalhost\n')
  host.given(mounts, '').given('/proc/swaps', 'Filename\tType\tSize\tUsed\tPriority\n')
  for (const [name, value] of Object.entries(kernelSettings)) host.given(setting(name), `${value}\n`)
}

const zones = (): PackageContent['files'] =>
  Object.fromEntries(
    ['UTC', 'Etc/UTC', ...Intl.supportedValuesOf('timeZone')].map((zone) => [`/usr/share/zoneinfo/${zone}`, 'TZif2']),
  )

/**
 * Returns the content of a package whose files resource types require.
 * @returns undefined for any other package
 */
export function debianPackage(name: string): PackageContent | undefined {
  if (name === 'cron') return { files: { '/usr/bin/crontab': '' } }
  if (name === 'sudo') return { files: { '/usr/sbin/visudo': '', '/etc/sudoers.d': null }, services: [] }
  if (/^postgresql(-\d+)?$/.test(name))
    return { files: { '/usr/bin/psql': '', '/var/run/postgresql/.s.PGSQL.5432': '' }, services: ['postgresql'] }
  if (/^mariadb-server(-[\d.]+)?$/.test(name))
    return { files: { '/usr/bin/mariadb': '', '/run/mysqld/mysqld.sock': '' }, services: ['mariadb'] }
  if (name === 'nftables') return { files: { '/usr/sbin/nft': '' } }
  const programs = programsOf[name]
  if (programs !== undefined)
    return { files: Object.fromEntries(programs.map((program) => [`/usr/bin/${program}`, ''])) }
  if (name === 'tzdata') return { files: zones(), services: [] }
  return undefined
}

/** Programs of packages that are not imitated: a test that runs them must script them. */
const programsOf: Readonly<Record<string, readonly string[]>> = {
  git: ['git'],
  nodejs: ['node'],
  npm: ['npm'],
  openssl: ['openssl'],
  python3: ['python3'],
}

/** Imitations of programs that every Debian host has. */
export const debianPrograms: Readonly<Record<string, Program>> = {
  hostname([name], host) {
    if (name === undefined) return { stdout: host.readText(setting('kernel/hostname')) ?? '' }
    host.given(setting('kernel/hostname'), `${name}\n`)
    return {}
  },
  mount(args, host) {
    const path = args.at(-1) ?? ''
    const line = (host.readText('/etc/fstab') ?? '').split('\n').find((one) => one.split(' ')[1] === path)
    if (line === undefined) return { status: 1, stderr: `mount: ${path} is not in /etc/fstab` }
    host.given(mounts, `${[...mountsWithout(host, path), line].join('\n')}\n`)
    return {}
  },
  umount(args, host) {
    host.given(mounts, `${mountsWithout(host, args.at(-1) ?? '').join('\n')}\n`)
    return {}
  },
  sysctl(args, host) {
    for (const word of args.filter((arg) => !arg.startsWith('-'))) {
      const [key = '', ...value] = word.split('=')
      host.given(setting(key.replaceAll('.', '/')), `${value.join('=')}\n`)
    }
    return {}
  },
}

/** Imitations of programs that a package installs. */
export const packagedPrograms: Readonly<Record<string, Program>> = {
  crontab(args, host, input) {
    const named = args.indexOf('-u')
    const user = named < 0 ? host.self.name : (args[named + 1] ?? '')
    const path = `/var/spool/cron/crontabs/${user}`
    if (args.at(-1) === '-') host.given(path, input, '0600', user)
    const text = host.readText(path)
    if (text === null) return { status: 1, stderr: `no crontab for ${user}` }
    return { stdout: args.includes('-l') ? text : '' }
  },
  /** Keeps one table, as the text of its file. */
  nft(args, host) {
    const rules = host.readText(rulesOfKernel) ?? ''
    if (args.includes('list'))
      return rules === '' ? { status: 1, stderr: 'Error: No such file or directory' } : { stdout: rules }
    if (args[0] === 'delete') host.given(rulesOfKernel, '')
    if (args[0] === '-f') host.given(rulesOfKernel, host.readText(args.at(-1) ?? '') ?? '')
    return {}
  },
  /** Accepts all rules. */
  visudo: () => ({}),
}

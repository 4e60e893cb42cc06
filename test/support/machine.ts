/** Checks that the computer has what tests against real servers require, and makes scratch directories for them. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { natsServer } from './nats_server.ts'

/** Returns why a requirement is not available, or null. */
type Probe = () => string | null

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 60_000 }).status === 0
}

function program(name: string, aptPackage = name): Probe {
  return () => {
    const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`
    const isFound = path.split(':').some((directory) => directory !== '' && existsSync(join(directory, name)))
    return isFound ? null : `${name} is not installed (apt install ${aptPackage})`
  }
}

const probes = {
  root: () => (process.getuid?.() === 0 ? null : 'only root can do this'),
  supervisord: program('supervisord', 'supervisor'),
  git: program('git'),
  'git-lfs': program('git-lfs'),
  jq: program('jq'),
  chromium: program('chromium'),
  'ssh-keygen': program('ssh-keygen', 'openssh-client'),
  nginx: program('nginx'),
  java: program('java', 'default-jre-headless'),
  zip: program('zip'),
  mvn: program('mvn', 'maven'),
  jetty9: () => (existsSync('/usr/share/jetty9/start.jar') ? null : 'jetty9 is not installed (apt install jetty9)'),
  'php-fpm': () =>
    readdirSync('/usr/sbin').some((name) => name.startsWith('php-fpm'))
      ? null
      : 'php-fpm is not installed (apt install php-fpm)',
  crontab: program('crontab', 'cron'),
  apt: () => (runs('apt-get', 'install', '--simulate', 'hello') ? null : 'apt-get knows no packages here'),
  strace: () => (runs('strace', '-o', '/dev/null', 'true') ? null : 'strace is not installed, or may not trace'),
  tmpfs: () => {
    const at = mkdtempSync(join(tmpdir(), 'mount-'))
    const mounted = runs('mount', '-t', 'tmpfs', 'tmpfs', at)
    if (mounted) runs('umount', at)
    rmSync(at, { recursive: true, force: true })
    return mounted ? null : 'nothing can be mounted here'
  },
  'loop mount': () => {
    const at = mkdtempSync(join(tmpdir(), 'loop-'))
    const script = 'truncate -s 16M image && mkfs.ext4 -q image && mkdir m && mount -o loop image m && umount m'
    const mounted = runs('sh', '-c', `cd "$0" && ${script}`, at)
    rmSync(at, { recursive: true, force: true })
    return mounted ? null : 'no image of a file system can be mounted here'
  },
  overlay: () => {
    const at = mkdtempSync(join(tmpdir(), 'overlay-'))
    const script =
      'cd "$0" && mount -t tmpfs tmpfs . && cd "$0" && mkdir u w r && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r'
    const mounted = runs('unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, at)
    rmSync(at, { recursive: true, force: true })
    return mounted ? null : 'no file system can be laid over another one here'
  },
  'network namespaces': () => {
    const script = 'ip link add one type veth peer name two && ip link add three type bridge'
    return runs('unshare', '--net', 'sh', '-c', script) ? null : 'no network can be made here (apt install iproute2)'
  },
  systemd: () => {
    const at = mkdtempSync(join(tmpdir(), 'cgroup-'))
    const grouped = runs('unshare', '--mount', '--cgroup', 'mount', '-t', 'cgroup2', 'none', at)
    rmSync(at, { recursive: true, force: true })
    if (!existsSync('/sbin/init') || !realpathSync('/sbin/init').endsWith('/systemd'))
      return 'systemd is not installed (apt install systemd-sysv dbus)'
    return grouped ? null : 'no cgroup can be made here'
  },
  'locale-gen': program('locale-gen', 'locales'),
  debootstrap: program('debootstrap'),
  sudo: program('sudo'),
  wrk: program('wrk'),
  age: program('age'),
  'cloud-init': program('cloud-init'),
  sshd: program('sshd', 'openssh-server'),
  ssh: program('ssh', 'openssh-client'),
  'systemd running': () => (existsSync('/run/systemd/system') ? null : 'systemd does not run here'),
  proc: () => (existsSync('/proc/self') ? null : 'there is no /proc'),
  haproxy: program('haproxy'),
  logrotate: program('logrotate'),
  rsync: program('rsync'),
  'redis-server': program('redis-server'),
  memcached: program('memcached'),
  'prometheus exporters': program('prometheus-node-exporter'),
  s3fs: program('s3fs'),
  glusterd: program('glusterd', 'glusterfs-server'),
  exportfs: program('exportfs', 'nfs-kernel-server'),
  varnishd: program('varnishd', 'varnish'),
  openssl: program('openssl'),
  gpg: program('gpg'),
  gcc: program('gcc'),
  certbot: program('certbot'),
  pebble: program('pebble'),
  python3: program('python3'),
  bash: program('bash'),
  'python3 venv': () =>
    runs('/usr/bin/python3', '-c', 'import venv, ensurepip') ? null : 'no python3 with venv (apt install python3-venv)',
  'pip registry': () => {
    const into = mkdtempSync(join(tmpdir(), 'pip-'))
    const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--disable-pip-version-check', '--dest', into]
    const reached = runs('/usr/bin/python3', ...args, 'roman==5.2')
    rmSync(into, { recursive: true, force: true })
    return reached ? null : 'the Python package index cannot be reached, or /usr/bin/python3 has no pip'
  },
  'npm registry': () => (runs('npm', 'view', 'p-limit@7.3.3', 'version') ? null : 'the npm registry cannot be reached'),
  'nats-server': () =>
    natsServer() === null ? 'nats-server 2.12 or later is not installed (node test/prepare.mjs)' : null,
  mariadbd: program('mariadbd', 'mariadb-server'),
  'libpq headers': program('pg_config', 'libpq-dev'),
  'libmariadb headers': program('mariadb_config', 'libmariadb-dev'),
  nft: program('nft', 'nftables'),
  postgresql: () => (existsSync('/usr/lib/postgresql') ? null : 'postgresql is not installed (apt install postgresql)'),
  nobody: () => (runs('id', '-u', 'nobody') ? null : 'there is no account nobody'),
} as const satisfies Record<string, Probe>

export type Need = keyof typeof probes

const answers = new Map<Need, string | null>()

/** Returns the missing requirements, as messages that name the package to install. */
export function missingOf(expected: readonly Need[]): string[] {
  return expected.flatMap((need) => {
    if (!answers.has(need)) answers.set(need, probes[need]())
    return answers.get(need) ?? []
  })
}

/**
 * Decides whether the computer has what a test requires. If not, the test is skipped with the reason; in CI it fails,
 * since a skipped test proves nothing there.
 *
 *     if (!needs(t, ['root', 'supervisord'])) return
 */
export function needs(t: Test, expected: readonly Need[]): boolean {
  const missing = missingOf(expected)
  if (missing.length === 0) return true
  if (process.env.CI) t.fail(`this computer lacks requirements of the test: ${missing.join('; ')}`)
  else t.pass('skipped', { skip: missing.join('; ') })
  return false
}

/** A test or a benchmark, at whose end resources are cleaned up. */
export interface Owner {
  teardown(clear: () => unknown): void
}

/** Makes a scratch directory that is removed at the end of the test; every account can enter it. */
export function scratch(t: Owner): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'converge-')))
  chmodSync(directory, 0o755)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Makes a key and a self-signed certificate for it. */
export function selfSigned(t: Owner, name: string): { readonly key: string; readonly certificate: string } {
  const at = scratch(t)
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`]
  spawnSync('openssl', [...args, '-keyout', `${at}/key`, '-out', `${at}/crt`])
  return { key: readFileSync(`${at}/key`, 'utf8'), certificate: readFileSync(`${at}/crt`, 'utf8') }
}

/** Makes a directory below another one, owned by an account. */
export function directoryOf(parent: string, name: string, owner?: string): string {
  const path = join(parent, name)
  mkdirSync(path, { recursive: true })
  if (owner !== undefined) spawnSync('chown', [`${owner}:`, path])
  return path
}

/** Returns a TCP port on which nothing listens on this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}

/** Runs a test file again as an ordinary user, in a separate process with CONVERGE_TEST_BRIEF set. */
export function sameAs(t: Test, account: string, file: string): void {
  const id = (option: string) => Number(spawnSync('id', [option, account], { encoding: 'utf8' }).stdout)
  const home = directoryOf(scratch(t), 'home', account)
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', file], {
    uid: id('-u'),
    gid: id('-g'),
    encoding: 'utf8',
    timeout: 300_000,
    env: {
      ...process.env,
      HOME: home,
      TMPDIR: home,
      USER: account,
      PATH: '/usr/local/bin:/usr/bin:/bin',
      NODE_OPTIONS: '',
      CONVERGE_TEST_BRIEF: '1',
      // Tests that require root are skipped there without a failure.
      CI: '',
    },
  })
  t.equal(status, 0, `${file} as ${account}`)
  if (status !== 0) t.comment(`${stdout}\n${stderr}`)
}

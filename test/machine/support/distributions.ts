/**
 * Makes the file systems of test hosts with debootstrap, one for each distribution. They stay in the temporary directory
 * for later tests, since each takes half a minute.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { masked } from './host_files.ts'
import { script } from './host_network.ts'

export interface Distribution {
  readonly title: string
  readonly vendor: 'debian' | 'ubuntu'
  readonly suite: string
}

export const distributions = {
  debian12: { title: 'Debian 12', vendor: 'debian', suite: 'bookworm' },
  debian13: { title: 'Debian 13', vendor: 'debian', suite: 'trixie' },
  ubuntu2404: { title: 'Ubuntu 24.04', vendor: 'ubuntu', suite: 'noble' },
} as const satisfies Record<string, Distribution>

/** Packages that a server has before converge is installed. */
const packages = [
  'ca-certificates',
  'cron',
  'dbus',
  'iproute2',
  'openssh-server',
  'procps',
  'python3-minimal',
  'systemd',
  'systemd-sysv',
]

const scripts = '/usr/share/debootstrap/scripts'
/** The suites whose scripts debootstrap uses for suites that are newer than debootstrap itself. */
const relatedSuites = { debian: 'sid', ubuntu: 'gutsy' } as const

/** @returns the directory of a minimal system, which is never written to */
export async function systemOf(distribution: Distribution): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([packages, masked, prepareScript]))
    .digest('hex')
    .slice(0, 8)
  const path = `${ownDirectory()}/${distribution.suite}-${key}`
  if (existsSync(path)) return path
  const temporary = `${path}.${process.pid}`
  try {
    await bootstrap(distribution, temporary)
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  return path
}

/** @throws Error if another account owns the directory */
function ownDirectory(): string {
  const path = `${tmpdir()}/converge-test-systems`
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (statSync(path).uid !== process.getuid?.()) throw new Error(`${path} belongs to another account`)
  return path
}

async function bootstrap({ vendor, suite }: Distribution, path: string): Promise<void> {
  const keyring = `/usr/share/keyrings/${vendor}-archive-keyring.gpg`
  const scriptName = existsSync(`${scripts}/${suite}`) ? suite : relatedSuites[vendor]
  await script(
    `${bootstrapScript}\n${prepareScript}`,
    suite,
    path,
    mirrorOf(vendor),
    keyring,
    vendor === 'ubuntu' ? 'main,universe' : 'main',
    packages.join(','),
    `${scripts}/${scriptName}`,
  )
}

/**
 * Runs debootstrap. $1: suite, $2: directory, $3: mirror or nothing, $4: keyring, $5: components, $6: packages, $7: script. Everything it
 * mounts and starts ends with it. Debian has no package with Ubuntu's keys; without them nothing checks signatures
 * here, since the test discards the system, and apt in it verifies what it installs.
 */
const bootstrapScript = `
if [ -e "$4" ]; then check="--keyring=$4"; else check=--no-check-gpg; fi
unshare --mount --pid --fork --kill-child --propagation private \
  debootstrap --variant=minbase "$check" --components="$5" --include="$6" "$1" "$2" "$3" "$7" > "$2.log" 2>&1 ||
  { tail -n 20 "$2.log" >&2; exit 1; }
rm "$2.log"
`

/** Prepares the system to run as a host: sshd as a service, and no units that require dedicated hardware. */
const prepareScript = `
cd "$2/etc/systemd/system"
find . -name 'ssh.socket' -delete
mkdir -p multi-user.target.wants
ln -sfn /lib/systemd/system/multi-user.target default.target
for unit in ${masked.join(' ')}; do ln -sfn /dev/null $unit; done
rm -f "$2"/etc/ssh/ssh_host_* "$2/etc/machine-id" "$2/usr/sbin/policy-rc.d"
`

/** Returns the vendor's mirror in the local apt configuration; empty: debootstrap chooses. */
function mirrorOf(vendor: Distribution['vendor']): string {
  const targets = execFileSync('apt-get', ['indextargets', '--format', '$(LABEL) $(SITE)', 'Created-By: Packages'], {
    encoding: 'utf8',
  })
  const line = targets.split('\n').find((line) => line.toLowerCase().startsWith(`${vendor} `))
  return line?.split(' ')[1] ?? ''
}

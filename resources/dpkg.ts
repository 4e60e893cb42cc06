/**
 * What dpkg says of the packages on this host, from its own status file.
 *
 * Measured with 783 packages: 2 ms to read and parse the file, 13 to 18 ms for a dpkg-query, and no process; `deb(5)` and
 * `dpkg(1)` keep the format stable. What an interrupted dpkg has not merged yet lies in `updates/`, and is looked for.
 */
import { createHash } from 'node:crypto'
import type { Host, HostReader } from '../core/host/types.ts'
import { ConvergeError } from '../core/model/errors.ts'

export interface InstalledPackage {
  readonly name: string
  /** e.g. `install ok installed`: what is wanted of it, its health, how far it is. */
  readonly status: string
  readonly version: string
  readonly provides: string
}

export const statusFile = '/var/lib/dpkg/status'
/** Bytes; with all packages of Debian it would have about 60 million. */
const longestDatabase = 256 * 1024 * 1024

/** All packages dpkg knows of; parsed once for as long as nothing changes. */
export function installedPackages(host: HostReader): Promise<ReadonlyMap<string, InstalledPackage>> {
  const size = host.stat(statusFile)?.size
  if (size === undefined)
    throw new ConvergeError(`this host has no ${statusFile}: it is neither Debian nor Ubuntu`, {
      code: 'NOT_DEBIAN',
      hint: 'install the packages with the package manager of this system, and remove package() from the recipe',
    })
  // Its size in the key: in a dry run the file itself is part of what is planned.
  return host.cached(`${statusFile} ${size}`, async () =>
    parseStatus(host.readBytes(statusFile, { limit: longestDatabase })?.toString('latin1') ?? ''),
  )
}

export function parseStatus(text: string): Map<string, InstalledPackage> {
  const packages = new Map<string, InstalledPackage>()
  for (const stanza of text.split('\n\n')) {
    const name = field(stanza, 'Package')
    if (name === '') continue
    const found = {
      name,
      status: field(stanza, 'Status'),
      version: field(stanza, 'Version'),
      provides: field(stanza, 'Provides'),
    }
    // Of two architectures the installed one counts; `name:arch` asks for one of them.
    packages.set(`${name}:${field(stanza, 'Architecture')}`, found)
    if (!packages.has(name) || isInstalled(found)) packages.set(name, found)
  }
  return packages
}

function field(stanza: string, name: string): string {
  const start = stanza.startsWith(`${name}: `) ? 0 : stanza.indexOf(`\n${name}: `) + 1
  if (start === 0 && !stanza.startsWith(`${name}: `)) return ''
  const end = stanza.indexOf('\n', start)
  return stanza.slice(start + name.length + 2, end < 0 ? undefined : end)
}

export function isInstalled({ status }: InstalledPackage): boolean {
  return status.endsWith(' ok installed')
}

/** Unpacked or half configured: an interrupted dpkg left it so. */
export function isHalfDone({ status }: InstalledPackage): boolean {
  return !/ (installed|not-installed|config-files)$/.test(status) || status.includes('reinstreq')
}

export function isHeld({ status }: InstalledPackage): boolean {
  return status.startsWith('hold ')
}

/** The installed package that provides a virtual one, such as mail-transport-agent. */
export function providerOf(
  virtual: string,
  packages: ReadonlyMap<string, InstalledPackage>,
): InstalledPackage | undefined {
  for (const found of packages.values())
    if (found.provides.includes(virtual) && isInstalled(found))
      if (found.provides.split(/, */).some((one) => one.split(' ')[0] === virtual)) return found
  return undefined
}

/** Whether apt would refuse to work until `dpkg --configure -a` has been run. */
export async function wasInterrupted(host: HostReader): Promise<boolean> {
  if (host.list('/var/lib/dpkg/updates').some((name) => /^\d+$/.test(name))) return true
  return [...(await installedPackages(host)).values()].some(isHalfDone)
}

/** What ucf(1) has installed, for files that packages do not list as theirs. */
const ucfFile = '/var/lib/ucf/hashfile'

/** Whether a file is as its package has installed it, and so holds nothing of anybody's own. */
export function isPackagedFile(host: HostReader, path: string): boolean {
  const content = host.readBytes(path)
  if (content === null) return false
  const digest = createHash('md5').update(content).digest('hex')
  const text = (file: string) => host.readBytes(file, { limit: longestDatabase })?.toString('latin1') ?? ''
  return text(statusFile).includes(`\n ${path} ${digest}`) || `\n${text(ucfFile)}`.includes(`\n${digest}  ${path}\n`)
}

/** Writes into the status file of a dry run what apt-get would make of it. */
export function predictStatus(host: Host, wanted: Readonly<Record<string, string | null>>): void {
  const stanzas = (host.readBytes(statusFile, { limit: longestDatabase })?.toString('latin1') ?? '').split('\n\n')
  const kept = stanzas.filter((stanza) => stanza.trim() !== '' && !(field(stanza, 'Package') in wanted))
  for (const [name, version] of Object.entries(wanted))
    if (version !== null) kept.push(`Package: ${name}\nStatus: install ok installed\nVersion: ${version}`)
  host.writeFile(statusFile, Buffer.from(`${kept.join('\n\n')}\n\n`, 'latin1'))
}

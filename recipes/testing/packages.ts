/** Imitates dpkg and apt-get on a host in memory: the installed packages, and those that can be installed. */
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { debianPackage, type PackageContent } from './debian.ts'

type Answer = Partial<CommandResult>

const status = '/var/lib/dpkg/status'

/** Records a package in the status file of dpkg. */
export function givePackage(host: VirtualHost, name: string, version: string, state = 'install ok installed'): void {
  const others = (host.readText(status) ?? '')
    .split('\n\n')
    .filter((one) => one.trim() && !one.startsWith(`Package: ${name}\n`))
  const stanza = `Package: ${name}\nStatus: ${state}\nArchitecture: amd64\nVersion: ${version}`
  host.given(status, `${[...others, stanza].join('\n\n')}\n\n`)
}

const lists = '/var/lib/apt/lists/test_Packages'

/**
 * Runs apt-get update, install and remove.
 * @param contents of packages by name; a package without an entry has the version 1.0
 * @param installed called with the services of each package after its installation
 */
export function aptGet(
  args: readonly string[],
  host: VirtualHost,
  contents: Readonly<Record<string, PackageContent>>,
  installed: (services: readonly string[]) => void,
): Answer {
  const [verb, ...words] = args.filter((arg, at) => !arg.startsWith('-') && args[at - 1] !== '-o')
  if (verb === 'update') host.given(lists, '')
  if (verb === 'remove') for (const name of words) givePackage(host, name, '', 'deinstall ok config-files')
  if (verb !== 'install') return {}
  const expected = words.map((word) => {
    const [name = '', version] = word.split('=')
    const content = Object.hasOwn(contents, name) ? contents[name] : debianPackage(name)
    return { name, version, offered: content?.version ?? version?.replace(/\*$/, '') ?? '1.0', content }
  })
  for (const { name, version, offered } of expected)
    if (version !== undefined && !matches(offered, version))
      return { status: 100, stderr: `E: Version '${version}' for '${name}' was not found` }
  for (const { name, offered, content } of expected) {
    for (const [path, text] of Object.entries(content?.files ?? {}))
      if (host.lstat(path) === null) host.given(path, text, text === null || /bin\//.test(path) ? '0755' : '0644')
    givePackage(host, name, offered)
    installed(content?.services ?? [name])
  }
  return {}
}

function matches(version: string, expected: string): boolean {
  return expected.endsWith('*') ? version.startsWith(expected.slice(0, -1)) : version === expected
}

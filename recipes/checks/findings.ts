/** Makes the results and remedies of checks. */
import type { Finding } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { shellWords } from '../../core/text/shell.ts'

export const ok = (detail: string): Finding => ({ status: 'ok', detail })
export const missing = (detail: string, remedy?: string): Finding => ({ status: 'missing', detail, remedy })
export const warning = (detail: string, remedy?: string): Finding => ({ status: 'warning', detail, remedy })

/** Returns the command line that installs packages, with sudo for an ordinary user if the host has sudo. */
export function install(host: HostReader, ...packages: readonly string[]): string {
  return asRoot(host, ['apt-get', 'install', ...packages])
}

/** Returns command lines for this account to run as root: with sudo for an ordinary user if the host has sudo. */
export function asRoot(host: HostReader, ...commands: readonly (readonly string[])[]): string {
  const plain = commands.map((words) => shellWords(words))
  if (host.isRoot) return plain.join(' && ')
  return host.which('sudo') === null
    ? `as root: ${plain.join(' && ')}`
    : plain.map((command) => `sudo ${command}`).join(' && ')
}

/** Returns the path itself, or the nearest directory above it that exists. */
export function nearestExisting(host: HostReader, path: string): string {
  let at = path
  while (at !== '' && host.stat(at) === null) at = at.slice(0, at.lastIndexOf('/'))
  return at || '/'
}

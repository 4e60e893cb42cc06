/** What the files of a Python environment tell about it, without asking any process. */
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { readDisposable } from '../../core/model/unreadable.ts'

/** Names the Python an environment was made with once it is whole; null in it while it is being worked on. */
export const markFile = '.converge.json'

export function readMark(host: HostReader, path: string): string | null {
  const text = readDisposable(host, `${path}/${markFile}`)
  const made = text === null ? null : /^\{"python":"([^"\\]+)"\}\n$/.exec(text)
  return made?.[1] ?? null
}

export function writeMark(
  host: Host,
  path: string,
  python: string | null,
  account: Pick<WriteOptions, 'owner' | 'group'>,
): void {
  host.writeFile(`${path}/${markFile}`, `${JSON.stringify({ python })}\n`, { ...account, mode: '0644' })
}

/** PEP 503: what counts as the same name. */
export function packageName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}

/** Versions by normalised name. pip writes RECORD last, so that what lacks it was not installed to the end. */
export function installedVersions(host: HostReader, path: string): Map<string, string> {
  const versions = new Map<string, string>()
  for (const python of host.list(`${path}/lib`)) {
    if (!python.startsWith('python')) continue
    const packages = `${path}/lib/${python}/site-packages`
    for (const name of host.list(packages)) {
      const [, project, version] = /^([A-Za-z\d][^-]*)-(.+)\.dist-info$/.exec(name) ?? []
      if (project === undefined || version === undefined) continue
      if (host.stat(`${packages}/${name}/RECORD`) !== null) versions.set(packageName(project), version)
    }
  }
  return versions
}

/** PEP 440: zeros at the end of the release don't count. */
export function sameVersion(a: string, b: string): boolean {
  return plain(a) === plain(b)
}

function plain(version: string): string {
  const [whole, release = ''] = /^(?:\d+!)?(\d+(?:\.\d+)*)/.exec(version) ?? []
  return whole === undefined ? version : release.replace(/(\.0+)+$/, '') + version.slice(whole.length)
}

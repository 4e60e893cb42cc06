/** Reads the Python and the packages of an environment from its files, without running a process. */
import { posix } from 'node:path'
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { readDisposable, writeDisposable } from '../../core/model/file_errors.ts'

/** The file with the Python of a complete environment. Its `python` is null while packages are being installed. */
export const markFile = '.converge.json'

/** Returns the file beside an environment that exists while converge removes and creates the environment. */
export function creationNote(path: string): string {
  return posix.join(posix.dirname(path), `.${posix.basename(path)}.unfinished`)
}

export function readMark(host: HostReader, path: string): string | null {
  const text = readDisposable(host, `${path}/${markFile}`)
  const match = text === null ? null : /^\{"python":"([^"\\]+)"\}\n$/.exec(text)
  return match?.[1] ?? null
}

export function writeMark(
  host: Host,
  path: string,
  python: string | null,
  account: Pick<WriteOptions, 'owner' | 'group'>,
): void {
  writeDisposable(host, `${path}/${markFile}`, `${JSON.stringify({ python })}\n`, { ...account, mode: '0644' })
}

/** Normalises the name of a package as PEP 503 defines it. */
export function packageName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}

/**
 * Returns versions by normalised name. pip writes RECORD last, so a package without it was not installed completely.
 */
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

/** Compares versions as PEP 440 does in one respect: zeros at the end of the release do not count. */
export function sameVersion(a: string, b: string): boolean {
  return withoutTrailingZeros(a) === withoutTrailingZeros(b)
}

function withoutTrailingZeros(version: string): string {
  const [whole, epoch = '', release = ''] = /^(\d+!)?(\d+(?:\.\d+)*)/.exec(version) ?? []
  if (whole === undefined) return version
  const isEpochZero = /^0+!$/.test(epoch)
  return (isEpochZero ? '' : epoch) + release.replace(/(\.0+)+$/, '') + version.slice(whole.length)
}

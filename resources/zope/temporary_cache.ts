/**
 * Runs commands of a Zope release beside its clients: without the persistent ZEO cache, which a running client locks.
 */
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { metadataDirectory } from '../releases/releases.ts'

type Owner = Pick<WriteOptions, 'owner' | 'group'>

const client = /^[ \t]*client[ \t]+\S/i
const sectionStart = /^[ \t]*<zeoclient\b/i
const sectionEnd = /^[ \t]*<\/zeoclient>/i

/** Returns the text of zope.conf with temporary caches instead of named ones, which are persistent. */
export function removeNamedCache(text: string): string {
  const lines = text.split('\n')
  const lastEnd = lines.findLastIndex((line) => sectionEnd.test(line))
  let isInside = false
  const kept = lines.filter((line, at) => {
    if (!isInside) isInside = at < lastEnd && sectionStart.test(line)
    else if (sectionEnd.test(line)) isInside = false
    else return !client.test(line)
    return true
  })
  return kept.join('\n')
}

/** Returns the configurations of the release that have a named cache, by part. */
function configurations(host: HostReader, release: string): Map<string, string> {
  const configs = new Map<string, string>()
  for (const part of host.list(`${release}/parts`)) {
    const text = host.readText(configurationPath(release, part))
    if (text !== null && removeNamedCache(text) !== text) configs.set(part, text)
  }
  return configs
}

function configurationPath(release: string, part: string): string {
  return `${release}/parts/${part}/etc/zope.conf`
}

function savedPath(release: string): string {
  return `${release}/${metadataDirectory}/zope.conf.d`
}

/** Returns the parts whose configuration a killed run has left without its cache. */
export function clientsWithoutCache(host: HostReader, release: string): string[] {
  return host.list(savedPath(release))
}

/** Restores the named cache in each configuration. */
export function restoreCaches(host: Host, release: string): void {
  for (const part of clientsWithoutCache(host, release)) {
    const text = host.readText(`${savedPath(release)}/${part}`)
    if (text !== null && host.stat(configurationPath(release, part)) !== null)
      host.writeFile(configurationPath(release, part), text)
  }
  host.remove(savedPath(release))
}

/** Runs `work` while no configuration of the release names a cache. The release must not be the current one. */
export async function withOwnCache<T>(host: Host, release: string, owner: Owner, work: () => Promise<T>): Promise<T> {
  restoreCaches(host, release)
  const configs = configurations(host, release)
  if (configs.size === 0) return work()
  host.makeDirectory(savedPath(release), { ...owner, mode: '0700' })
  for (const [part, text] of configs) host.writeFile(`${savedPath(release)}/${part}`, text, { ...owner, mode: '0600' })
  for (const [part, text] of configs) host.writeFile(configurationPath(release, part), removeNamedCache(text))
  try {
    return await work()
  } finally {
    restoreCaches(host, release)
  }
}

/**
 * Writes a script that runs as the release's first client, with a temporary cache, so that it also works beside running
 * clients of this release.
 * @param directory where the script and its configuration are written; default: that of converge in the release
 * @returns its path; null if the release has no such client
 */
export function clientScript(
  host: Host,
  release: string,
  owner: Owner,
  directory = `${release}/${metadataDirectory}`,
): string | null {
  const named = /(['"])[^'"]*\/parts\/([^/'"]+)\/etc\/zope\.conf\1/
  const names = host.list(`${release}/bin`)
  for (const name of ['client1', 'instance', ...names].filter((one) => names.includes(one))) {
    const script = host.readText(`${release}/bin/${name}`) ?? ''
    const part = named.exec(script)?.[2]
    const text = part === undefined ? null : host.readText(configurationPath(release, part))
    if (text === null) continue
    const [configuration, path] = ['zope.conf', 'client'].map((file) => `${directory}/${file}`) as [string, string]
    host.writeFile(configuration, removeNamedCache(text), { ...owner, mode: '0600' })
    host.writeFile(path, script.replace(named, `'${configuration}'`), { ...owner, mode: '0755' })
    return path
  }
  return null
}

/** Finds mistakes in the buildout files of the repository, at the commit that a deploy would use. */
import { posix } from 'node:path'
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { readCommitContents } from '../app/commit_contents.ts'
import { missing, ok, warning } from '../checks/findings.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'
import type { BuildoutRole } from './types.ts'

const baseKeys = { 'zeo-client': 'plone_instances', 'zeo-server': 'plone_zeoserver', solr: 'plone_solr' } as const
/** Maximum number of files that a configuration may extend, directly or indirectly. */
const mostFiles = 50

export function buildoutChecks(
  node: SiteNode,
  role: BuildoutRole,
  host: HostReader,
  app: BuildoutApp,
  roles: readonly string[],
): HostCheck[] {
  if (!app.attributes.scm?.repository || host.which('git') === null) return []
  const key = `${baseKeys[role]}.base_config`
  const base = node[baseKeys[role]].base_config
  const read = () => host.once(`buildout files of ${app.deployTo} ${base}`, () => readFiles(node, host, app, base))
  return [
    { what: key, run: async () => baseFinding(await read(), base, key) },
    { what: `zc.buildout of ${app.name}`, run: async () => pinFinding(await read(), app) },
    ...(role === 'zeo-client'
      ? [{ what: 'shared blobs', run: async () => blobFinding(await read(), node, roles) }]
      : []),
  ]
}

interface Files {
  readonly texts: ReadonlyMap<string, string>
  /** Files that others extend, but that the repository lacks. */
  readonly absent: readonly string[]
}

/** Follows `extends` through the files of the repository; skips files from elsewhere. */
async function readFiles(node: SiteNode, host: HostReader, app: BuildoutApp, base: string): Promise<Files> {
  const contents = await readCommitContents(node, host, app)
  const texts = new Map<string, string>()
  const absent: string[] = []
  const due = [base]
  for (let path = due.shift(); path !== undefined && texts.size < mostFiles; path = due.shift()) {
    if (texts.has(path) || absent.includes(path)) continue
    const text = await contents.file(path)
    if (text === null) {
      absent.push(path)
      continue
    }
    texts.set(path, text)
    for (const word of optionOf(text, 'buildout', 'extends')?.split(/\s+/) ?? [])
      if (word !== '' && !/^\w+:\/\/|^\/|[$]/.test(word)) due.push(posix.join(posix.dirname(path), word))
  }
  return { texts, absent }
}

/** Returns the value of an option with its further lines; null if the section lacks it. */
function optionOf(text: string, section: string, name: string): string | null {
  const lines = text.split('\n')
  let inside = false
  for (let i = 0; i < lines.length; i++) {
    const head = /^\[([^\]]+)\]/.exec(lines[i] ?? '')
    if (head) inside = head[1]?.split(':')[0]?.trim() === section
    const [, key, value = ''] = /^([^\s#;=[+-]+)\s*[+-]?=\s*(.*)$/.exec(lines[i] ?? '') ?? []
    if (!inside || key !== name) continue
    const more: string[] = []
    for (let j = i + 1; /^\s+\S|^[#;]/.test(lines[j] ?? ''); j++)
      if (/^\s/.test(lines[j] ?? '')) more.push((lines[j] ?? '').trim())
    return [value.trim(), ...more].filter(Boolean).join('\n')
  }
  return null
}

function baseFinding({ absent }: Files, base: string, key: string): Finding {
  if (absent.includes(base))
    return missing(
      `the repository has no ${base}`,
      `set ${key} to the buildout file of the repository that deploy.cfg extends`,
    )
  if (absent.length > 0)
    return missing(
      `the repository has no ${absent.join(', ')}, which ${base} extends`,
      'commit it, or remove it from extends',
    )
  return ok(base)
}

function pinFinding({ texts }: Files, { name: app, build }: BuildoutApp): Finding | null {
  const pin = [...texts.values()].map((text) => optionOf(text, 'versions', 'zc.buildout')).find((one) => one !== null)
  const version = build.packages['zc.buildout'] ?? ''
  if (!pin) return null
  if (pin === version) return ok(version)
  return warning(
    `the [versions] of the repository pin ${pin}, and ${version} runs the buildout`,
    `set deploy.${app}.buildout_version to "${pin}"`,
  )
}

/** Checks that clients with shared blobs write them to the directory of the ZEO server. */
function blobFinding({ texts }: Files, node: SiteNode, roles: readonly string[]): Finding | null {
  const { shared_blobs, enable_relstorage, nfs_blobs, gluster_blobs } = node.plone_instances
  if (!shared_blobs || nfs_blobs || gluster_blobs || enable_relstorage || node.plone_blobs.blob_dir) return null
  const all = [...texts.values()].join('\n')
  if (!/^\s*shared-blob\s*=\s*(on|true|yes|1)\s*$/im.test(all)) return null
  const blobStorage = /^\s*blob-storage\s*=\s*(\$\{buildout:directory\}\/.*|[^/$\s].*)$/m.exec(all)?.[1]
  if (blobStorage === undefined) return null
  const where = roles.includes('zeo-server')
    ? 'the ZEO server has another directory of that name'
    : 'no other host sees it'
  return missing(
    `shared-blob is on, and blob-storage = ${blobStorage} is inside the app: ${where}, so every upload fails`,
    'set plone_blobs.blob_dir to one directory for the server and its clients, or plone_instances.shared_blobs to false',
  )
}

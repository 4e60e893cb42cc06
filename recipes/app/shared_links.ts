/** Declares the files and directories below `shared` to which releases of an app link. */
import { posix } from 'node:path'
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { directory } from '../../resources/files/directory.ts'
import { link_sources } from '../../resources/files/link_sources.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'

/** Names below `shared`, from `symlink_before_migrate` and `create_dirs_before_symlink`. */
export interface SharedNames {
  /** Name below `shared` → path in the release. */
  readonly links: Readonly<Record<string, string>>
  /** Directories to create in any case. */
  readonly created: readonly string[]
  /** Those of them that are links to data of the app. */
  readonly elsewhere?: readonly string[]
}

export function ownNames({ attributes: own }: App): SharedNames {
  return { links: own.symlink_before_migrate ?? {}, created: own.create_dirs_before_symlink ?? [] }
}

/** Returns links for a release: without a slash at the end, which only marks a directory. */
export function tidyLinks(links: SharedNames['links']): Record<string, string> {
  return Object.fromEntries(Object.entries(links).map(([name, path]) => [tidy(name), tidy(path)]))
}

function tidy(path: string): string {
  return posix.normalize(path).replace(/\/$/, '')
}

/** Creates directories, and fails if a linked file is missing: no release with a dangling link is built. */
export function linkSources(r: Recipe<SiteNode>, app: App, names: SharedNames, guard: CommonOptions = {}): void {
  const { shared, owner } = app
  const { elsewhere = [] } = names
  const mode = '0770'
  const keep = (name: string) => {
    const path = `${shared}/${name}`
    if (name === '.' || elsewhere.includes(name)) return
    // A host may have a link instead of the directory.
    r.unlessDeclared('symlink', path, () =>
      r.unlessDeclared('directory', path, () => {
        directory(r, { path, parents: true, mode, ...owner, ...guard })
      }),
    )
  }
  for (const name of names.created) keep(tidy(name))
  const files = linkedFiles(names)
  // Create the directories of files, so that the operator can put a missing file there.
  for (const name of files) keep(posix.dirname(name))
  const directories = Object.keys(tidyLinks(names.links)).filter((name) => !files.includes(name))
  if (files.length + directories.length > 0)
    link_sources(r, { app: app.name, shared, files, directories, mode, ...owner, ...guard })
}

/** Returns the linked names that count as files. */
export function linkedFiles({ links, created }: SharedNames): string[] {
  const createdPaths = created.map(tidy)
  const isMade = (name: string) => createdPaths.some((one) => one === name || one.startsWith(`${name}/`))
  return Object.entries(links).flatMap(([name, path]) => {
    if (name.endsWith('/') || path.endsWith('/') || isMade(tidy(name))) return []
    return [name, path].some(looksLikeFile) ? [tidy(name)] : []
  })
}

const dotDirectories = ['.aws', '.cache', '.config', '.git', '.local', '.npm', '.ssh', '.venv', '.well-known']
const bareFiles = /^(htpasswd|Procfile|id_(rsa|ed25519|ecdsa)|(.*[_-])?(key|passwd|password|secret|token))$/i

/** Decides by name: `config/.env` and `settings.py` are files; `uploads`, `conf.d` and `python3.11` are directories. */
function looksLikeFile(path: string): boolean {
  const name = posix.basename(path)
  if (name.startsWith('.')) return !dotDirectories.includes(name)
  if (/\.d$/.test(name)) return false
  return /\.[a-z][\w-]*$/i.test(name) || bareFiles.test(name)
}

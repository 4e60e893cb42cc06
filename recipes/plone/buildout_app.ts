/** Defines the paths of a buildout app on its host, and their owner. */
import { ConvergeError } from '../../core/model/errors.ts'
import { type App, appOnHost } from '../app/app.ts'
import { linkedFiles, type SharedNames, tidyLinks } from '../app/shared_links.ts'
import type { SiteNode } from '../node.ts'
import { type Environment, environmentOf } from './python.ts'
import { appName } from './site.ts'
import type { BuildoutRole } from './types.ts'

export interface BuildoutApp extends App {
  readonly role: BuildoutRole
  /** Virtualenv of the build: its packages and its path. */
  readonly build: Environment
  readonly environment: string
}

/** @throws INVALID_ATTRIBUTE for a path that the scripts of a buildout cannot contain */
export function buildoutApp(node: SiteNode, role: BuildoutRole): BuildoutApp {
  const app = appOnHost(node, appName(node, role), 'app_name')
  refuseBlanks(node, app)
  const build = environmentOf(node, app.name, app.attributes)
  return { ...app, role, build, environment: `${app.shared}/${build.name}` }
}

/** Refuses paths with blanks: buildout writes them into `#!` lines, in which a blank ends the program. */
function refuseBlanks({ converge: { prefix } }: SiteNode, { name: app, deployTo }: App): void {
  if (!/\s/.test(deployTo)) return
  const attribute = /\s/.test(prefix) ? 'converge.prefix' : `deploy.${app}.deploy_to`
  throw new ConvergeError(
    `${attribute}: a buildout cannot run in ${deployTo}: the #! line of a script ends at a blank`,
    {
      code: 'INVALID_ATTRIBUTE',
      attribute,
      hint:
        attribute === 'converge.prefix'
          ? 'give --prefix a path without blanks'
          : `set ${attribute} to a path without blanks`,
      usage: true,
    },
  )
}

/** Returns the links of the release to shared files and directories: name below `shared` → path in the release. */
export function sharedLinks(node: SiteNode, app: BuildoutApp): Record<string, string> {
  return tidyLinks(allLinks(node, app))
}

function allLinks(node: SiteNode, { attributes: own }: BuildoutApp): Record<string, string> {
  const { parts: _, ...links } = {
    ...node.deploy_python.symlink_before_migrate,
    ...node.deploy_buildout.symlink_before_migrate,
    ...own.symlink_before_migrate,
  }
  return links
}

/** Returns the paths of the repository that these links replace. */
export function purgedDirectories(node: SiteNode, { attributes: own }: BuildoutApp): string[] {
  return unique([
    ...node.deploy_python.purge_before_symlink,
    ...node.deploy_buildout.purge_before_symlink,
    ...(own.purge_before_symlink ?? []),
  ])
}

/** Returns the directories below `shared`, without parts: the running release needs its own during the next build. */
export function sharedDirectories(node: SiteNode, app: BuildoutApp): string[] {
  const names = sharedNames(node, app)
  const files = linkedFiles(names)
  const linked = Object.keys(tidyLinks(names.links)).filter((name) => !files.includes(name))
  return unique([...names.created, ...linked]).filter((name) => name !== 'parts')
}

/** Returns the names below `shared` from the attributes. */
export function sharedNames(node: SiteNode, app: BuildoutApp): SharedNames {
  const created = [
    ...node.deploy_python.create_dirs_before_symlink,
    ...node.deploy_buildout.create_dirs_before_symlink,
    ...(app.attributes.create_dirs_before_symlink ?? []),
  ]
  return { links: allLinks(node, app), created: created.filter((name) => name !== 'parts') }
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}

/** Returns the top-level key of a role's own attributes. */
export function sectionOf(role: BuildoutRole) {
  return ({ 'zeo-client': 'plone_instances', 'zeo-server': 'plone_zeoserver', solr: 'plone_solr' } as const)[role]
}

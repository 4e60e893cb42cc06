/** Defines the paths of a buildout app on its host, and their owner. */
import { ConvergeError } from '../../core/model/errors.ts'
import type { PloneNode } from '../node.ts'
import { type AppLayout, appLayout } from '../releases/layout.ts'
import { linkedFiles, type SharedNames, tidyLinks } from '../releases/links.ts'
import { type Environment, environmentOf } from './python.ts'
import { appName } from './site.ts'
import type { BuildoutRole } from './types.ts'

export interface Layout extends AppLayout {
  readonly role: BuildoutRole
  /** Virtualenv of the build: its packages and its path. */
  readonly build: Environment
  readonly environment: string
}

/** @throws INVALID_ATTRIBUTE for a path that the scripts of a buildout cannot contain */
export function layout(node: PloneNode, role: BuildoutRole): Layout {
  const at = appLayout(node, appName(node, role), 'app_name')
  refuseBlanks(node, at)
  const build = environmentOf(node, at.app, at.own)
  return { ...at, role, build, environment: `${at.shared}/${build.name}` }
}

/** Refuses paths with blanks: buildout writes them into `#!` lines, in which a blank ends the program. */
function refuseBlanks({ converge: { prefix } }: PloneNode, { app, deployTo }: AppLayout): void {
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
export function sharedLinks(node: PloneNode, at: Layout): Record<string, string> {
  return tidyLinks(allLinks(node, at))
}

function allLinks(node: PloneNode, { own }: Layout): Record<string, string> {
  const { parts: _, ...links } = {
    ...node.deploy_python.symlink_before_migrate,
    ...node.deploy_buildout.symlink_before_migrate,
    ...own.symlink_before_migrate,
  }
  return links
}

/** Returns the paths of the repository that these links replace. */
export function purged(node: PloneNode, { own }: Layout): string[] {
  return unique([
    ...node.deploy_python.purge_before_symlink,
    ...node.deploy_buildout.purge_before_symlink,
    ...(own.purge_before_symlink ?? []),
  ])
}

/** Returns the directories below `shared`, without parts: the running release needs its own during the next build. */
export function sharedDirectories(node: PloneNode, at: Layout): string[] {
  const names = sharedNames(node, at)
  const files = linkedFiles(names)
  const linked = Object.keys(tidyLinks(names.links)).filter((name) => !files.includes(name))
  return unique([...names.created, ...linked]).filter((name) => name !== 'parts')
}

/** Returns the names below `shared` from the attributes. */
export function sharedNames(node: PloneNode, at: Layout): SharedNames {
  const created = [
    ...node.deploy_python.create_dirs_before_symlink,
    ...node.deploy_buildout.create_dirs_before_symlink,
    ...(at.own.create_dirs_before_symlink ?? []),
  ]
  return { links: allLinks(node, at), created: created.filter((name) => name !== 'parts') }
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}

/** Where everything of a buildout app is on its host, and to whom it belongs. */
import { ConvergeError } from '../../core/model/errors.ts'
import type { PloneNode } from '../node.ts'
import { type AppLayout, appLayout } from '../releases/layout.ts'
import { linkedFiles, type SharedNames, tidyLinks } from '../releases/links.ts'
import { type Environment, environmentOf } from './python.ts'
import { appName } from './site.ts'
import type { BuildoutRole } from './types.ts'

export interface Layout extends AppLayout {
  readonly role: BuildoutRole
  /** Virtualenv of the build: what it is made of, and where it is. */
  readonly build: Environment
  readonly environment: string
}

/** @throws INVALID_ATTRIBUTE for a path that the scripts of a buildout cannot name */
export function layout(node: PloneNode, role: BuildoutRole): Layout {
  const at = appLayout(node, appName(node, role), 'app_name')
  refuseBlanks(node, at)
  const build = environmentOf(node, at.app, at.own)
  return { ...at, role, build, environment: `${at.shared}/${build.name}` }
}

/** The `#!` line of a script ends its program at a blank, and buildout writes such lines with paths of its directory. */
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

/** Files and directories of the release that are links to shared ones: name below `shared` → path in the release. */
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

/** What of the repository makes room for these links. */
export function purged(node: PloneNode, { own }: Layout): string[] {
  return unique([
    ...node.deploy_python.purge_before_symlink,
    ...node.deploy_buildout.purge_before_symlink,
    ...(own.purge_before_symlink ?? []),
  ])
}

/** Directories below `shared`. Those of the parts are not shared: the running release uses its own while the next is built. */
export function sharedDirectories(node: PloneNode, at: Layout): string[] {
  const names = sharedNames(node, at)
  const files = linkedFiles(names)
  const linked = Object.keys(tidyLinks(names.links)).filter((name) => !files.includes(name))
  return unique([...names.created, ...linked]).filter((name) => name !== 'parts')
}

/** What of `shared` the attributes name. */
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

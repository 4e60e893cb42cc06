/** Where everything of a buildout app is on its host, and to whom it belongs. */
import { type PloneNode, placed } from '../node.ts'
import { type Environment, environmentOf } from './python.ts'
import { appAttributes, appName, deployDirectory } from './site.ts'
import type { AppAttributes, BuildoutRole } from './types.ts'

export interface Layout {
  readonly role: BuildoutRole
  readonly app: string
  readonly own: AppAttributes
  readonly deployTo: string
  readonly releases: string
  readonly shared: string
  readonly current: string
  /** Virtualenv of the build: what it is made of, and where it is. */
  readonly build: Environment
  readonly environment: string
  /** Owner of all that belongs to the app; none for an ordinary user, whose own it is anyway. */
  readonly owner: { readonly owner?: string; readonly group?: string }
  /** The same as the props of commands. */
  readonly account: { readonly user?: string; readonly group?: string }
  /** Whether this run may change the system: packages, accounts, /etc. */
  readonly system: boolean
  readonly supervisor: SupervisorLayout
}

export interface SupervisorLayout {
  readonly config: string
  readonly confDir: string
  readonly socket: string
  readonly logDir: string
  /** The virtualenv of an own supervisord, where the system's is not used. */
  readonly environment: string
  readonly program: string
  /** Apart from the socket, so that one with another socket is found by it. */
  readonly pidFile: string
}

export function layout(node: PloneNode, role: BuildoutRole): Layout {
  const app = appName(node, role)
  const own = appAttributes(node, app)
  const deployTo = placed(node, deployDirectory(node, app))
  const build = environmentOf(node, app, own)
  const system = node.facts.uid === 0 && node.converge.prefix === '/'
  const user = own.user ?? 'deploy'
  const group = own.group ?? 'www-data'
  return {
    role,
    app,
    own,
    deployTo,
    releases: `${deployTo}/releases`,
    shared: `${deployTo}/shared`,
    current: `${deployTo}/current`,
    build,
    environment: `${deployTo}/shared/${build.name}`,
    owner: node.facts.uid === 0 ? { owner: user, group } : {},
    account: node.facts.uid === 0 ? { user, group } : {},
    system,
    supervisor: supervisorLayout(node, system),
  }
}

function supervisorLayout(node: PloneNode, system: boolean): SupervisorLayout {
  const { config, conf_dir, socket, log_dir } = node.converge.supervisor
  const environment = placed(node, '/opt/supervisor')
  return {
    config: placed(node, config),
    confDir: placed(node, conf_dir),
    socket: placed(node, socket),
    logDir: placed(node, log_dir),
    environment,
    program: system ? '/usr/bin/supervisord' : `${environment}/bin/supervisord`,
    pidFile: system ? '/var/run/supervisord.pid' : `${environment}/supervisord.pid`,
  }
}

/** Directories of the release that are links to shared ones: name below `shared` → path in the release. */
export function sharedLinks(node: PloneNode, { own }: Layout): Record<string, string> {
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
export function sharedDirectories(node: PloneNode, { own }: Layout): string[] {
  const all = [
    ...node.deploy_python.create_dirs_before_symlink,
    ...node.deploy_buildout.create_dirs_before_symlink,
    ...(own.create_dirs_before_symlink ?? []),
  ]
  return unique([...all, ...Object.keys(sharedLinks(node, { own } as Layout))]).filter((name) => name !== 'parts')
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}

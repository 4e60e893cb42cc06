/** Defines the paths of an app on its host, and their owner. */
import { ConvergeError } from '../../core/model/errors.ts'
import type { Check } from '../../core/model/resource.ts'
import { listReleases, type Release } from '../../resources/releases/releases.ts'
import { type PloneNode, placed } from '../node.ts'
import { appAttributes, deployDirectory } from '../plone/site.ts'
import type { AppAttributes } from '../plone/types.ts'

export interface AppLayout {
  readonly app: string
  readonly own: AppAttributes
  readonly deployTo: string
  readonly releases: string
  readonly shared: string
  /** Link to the current release. */
  readonly current: string
  /** Owner of the app's files; empty for an ordinary user, who owns them anyway. */
  readonly owner: { readonly owner?: string; readonly group?: string }
  /** Owner as properties of commands. */
  readonly account: { readonly user?: string; readonly group?: string }
  /** Whether this run can change the system: packages, accounts, /etc. */
  readonly system: boolean
  readonly supervisor: SupervisorLayout
}

export interface SupervisorLayout {
  readonly config: string
  readonly confDir: string
  readonly socket: string
  readonly logDir: string
  /** Virtualenv of an own supervisord, if the system's is not used. */
  readonly environment: string
  readonly program: string
  /** Separate from the socket, to find a supervisord that has another socket. */
  readonly pidFile: string
}

/**
 * @param attribute that names the app
 * @param link name of the link to the current release
 * @throws INVALID_ATTRIBUTE for a name that cannot be part of a path
 */
export function appLayout(node: PloneNode, app: string, attribute: string, link = 'current'): AppLayout {
  if (!/^[\w-][\w.-]*$/.test(app))
    throw new ConvergeError(`${JSON.stringify(app)} cannot be the name of an app (app_name)`, {
      code: 'INVALID_ATTRIBUTE',
      attribute,
      hint: 'use letters, digits, dots, dashes and underscores, without a dot in front',
      usage: true,
    })
  const own = appAttributes(node, app)
  const deployTo = placed(node, deployDirectory(node, app))
  const system = node.facts.uid === 0 && node.converge.prefix === '/'
  const user = own.user ?? 'deploy'
  const group = own.group ?? 'www-data'
  return {
    app,
    own,
    deployTo,
    releases: `${deployTo}/releases`,
    shared: `${deployTo}/shared`,
    current: `${deployTo}/${link}`,
    owner: node.facts.uid === 0 ? { owner: user, group } : {},
    account: node.facts.uid === 0 ? { user, group } : {},
    system,
    supervisor: supervisorLayout(node, system),
  }
}

/** Returns the paths of the supervisor that keeps the programs running. */
export function supervisorLayout(node: PloneNode, system: boolean): SupervisorLayout {
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

export function releasesOf(node: PloneNode, at: AppLayout): readonly Release[] {
  const { host } = node.run
  return host === null ? [] : listReleases(host, at.releases, at.current)
}

/**
 * Returns the release to run again; undefined before the first deploy.
 * @throws NO_CURRENT if the link leads elsewhere: its owner is the account of the app, and root must write nothing there
 */
export function currentRelease(node: PloneNode, at: AppLayout): Release | undefined {
  const current = releasesOf(node, at).find((release) => release.current)
  if (current === undefined || current.known) return current
  throw new ConvergeError(`${at.current} points to ${current.path}, which is not a release that converge made`, {
    code: 'NO_CURRENT',
    hint: 'run a deploy first',
  })
}

/** Decides whether a deploy has succeeded: before the first one, there is nothing to adapt, start or stop. */
export function hasCurrent({ app, current }: AppLayout): Check {
  return { description: `${app} was deployed before`, check: (host) => host.stat(current) !== null }
}

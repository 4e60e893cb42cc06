/** Defines the paths of an app on its host, and their owner. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Check } from '../../core/model/resource.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import type { AppAttributes } from '../site/site_attributes.ts'
import { appAttributes, deployDirectory, isAppName } from '../site/site_attributes.ts'

export interface App {
  readonly name: string
  readonly attributes: AppAttributes
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
export function appOnHost(node: SiteNode, app: string, attribute: string, link = 'current'): App {
  if (!isAppName(app))
    throw new ConvergeError(`${JSON.stringify(app.slice(0, 100))} cannot be the name of an app (app_name)`, {
      code: 'INVALID_ATTRIBUTE',
      attribute,
      hint: 'use at most 100 letters, digits, dots, dashes and underscores, without a dot in front',
      usage: true,
    })
  const attributes = appAttributes(node, app)
  const deployTo = underPrefix(node, deployDirectory(node, app))
  const system = node.facts.uid === 0 && node.converge.prefix === '/'
  const user = attributes.user ?? 'deploy'
  const group = attributes.group ?? 'www-data'
  return {
    name: app,
    attributes,
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
export function supervisorLayout(node: SiteNode, system: boolean): SupervisorLayout {
  const { config, conf_dir, socket, log_dir } = node.converge.supervisor
  const environment = underPrefix(node, '/opt/supervisor')
  return {
    config: underPrefix(node, config),
    confDir: underPrefix(node, conf_dir),
    socket: underPrefix(node, socket),
    logDir: underPrefix(node, log_dir),
    environment,
    program: system ? '/usr/bin/supervisord' : `${environment}/bin/supervisord`,
    pidFile: system ? '/var/run/supervisord.pid' : `${environment}/supervisord.pid`,
  }
}

/**
 * Declares what depends on the current release: nothing before the first deploy.
 * @throws NO_CURRENT if the link leads elsewhere: its owner is the account of the app, and root must write nothing there
 */
export function givenCurrentRelease(r: Recipe<SiteNode>, app: App, declare: (current: Release) => void): void {
  r.given(currentReleaseOf(app), (current) => {
    if (current === undefined) return
    if (!current.isManaged)
      throw new ConvergeError(`${app.current} points to ${current.path}, which is not a release that converge made`, {
        code: 'NO_CURRENT',
        hint: 'run a deploy first',
      })
    declare(current)
  })
}

/** Decides whether a deploy has succeeded: before the first one, there is nothing to adapt, start or stop. */
export function hasCurrentRelease({ name: app, current }: App): Check {
  return { description: `${app} was deployed before`, check: (host) => host.stat(current) !== null }
}

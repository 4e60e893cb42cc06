/** Defines the paths of a PHP app, and the version of PHP that runs it. */
import type { Recipe } from '../../core/compile/role.ts'
import { derived, isReference, type Reference, reference } from '../../core/model/reference.ts'
import { phpFpmVariable } from '../../core/text/php_fpm.ts'
import { newestVersionOf, versioned_program } from '../../resources/packages/versioned_program.ts'
import { type App, appOnHost } from '../app/app.ts'
import { environmentOf } from '../app/checkout.ts'
import { hostHeader, hostOf } from '../app/health_request.ts'
import type { SiteNode } from '../node.ts'
import { underPrefix } from '../node.ts'
import { type Nginx, nginxOf } from '../web/nginx.ts'
import { namesOf } from '../web/site_names.ts'

/** A text, or a reference to it. */
type KnownOrReference = string | Reference<string>

export interface PhpApp {
  readonly app: App
  readonly nginx: Nginx
  readonly settings: SiteNode['php_app']
  /** Variables of the app, checked for the notation of the pool. */
  readonly environment: Readonly<Record<string, string>>
  readonly fpm: Fpm
  /** Link to a release that is tested before it becomes the current release. */
  readonly next: string
  /** Host name under which nginx serves that release, to this host only. */
  readonly preview: string
  /** Host name that PHP sees in a request for the preview; undefined for `preview` itself. */
  readonly healthHost: string | undefined
}

export interface Fpm {
  /** Version of PHP. Before PHP is installed, it and values that depend on it are references that setup resolves. */
  readonly version: KnownOrReference
  readonly program: KnownOrReference
  /** File of the pool for the system's php-fpm, or the whole configuration of an own php-fpm. */
  readonly config: KnownOrReference
  readonly socket: string
  readonly log: string
  readonly pidFile: string
  readonly reload: {
    readonly name: KnownOrReference
    readonly provider: { readonly kind: 'systemd' } | { readonly kind: 'supervisor'; readonly socket: string }
    readonly check: readonly KnownOrReference[]
    readonly signal: string
  }
}

/** Declares what depends on the app, with the installed version of PHP unless the attributes name one. */
export function givenPhpApp(r: Recipe<SiteNode>, node: SiteNode, declare: (php: PhpApp) => void): void {
  if (node.php_app.fpm.version) declare(phpApp(node, null))
  else r.given(newestVersionOf(fpmProgram), (installed) => declare(phpApp(node, installed)))
}

/** @param installed newest installed version of PHP; null for none */
export function phpApp(node: SiteNode, installed: string | null): PhpApp {
  const settings = node.php_app
  // The link that the web server serves is also the link to the current release, so the two cannot differ.
  const app = appOnHost(node, settings.app_name, 'php_app.app_name', 'active')
  return {
    app,
    nginx: nginxOf(node, app),
    settings,
    environment: environmentOf(app, phpFpmVariable),
    fpm: fpmOf(node, app, installed),
    next: `${app.deployTo}/next`,
    healthHost: hostOf(hostHeader(settings.health, namesOf(app.attributes, settings))),
    preview: `${app.name.toLowerCase().replace(/[^a-z0-9.-]/g, '-')}.next.invalid`,
  }
}

function fpmOf(node: SiteNode, app: App, installed: string | null): Fpm {
  const version = versionOf(node, installed)
  const program = derived(version, (number) => `${fpmProgram}${number}`)
  const unprivilegedName = `${app.name}-php-fpm`
  const name = app.system ? derived(version, (number) => `php${number}-fpm`) : unprivilegedName
  const config = app.system
    ? derived(version, (number) => `/etc/php/${number}/fpm/pool.d/${app.name}.conf`)
    : underPrefix(node, `/etc/php/${app.name}.conf`)
  return {
    version,
    program,
    config,
    socket: `${underPrefix(node, '/run')}/${app.system ? 'php/' : ''}${app.name}.sock`,
    log: underPrefix(node, `/var/log/${unprivilegedName}.log`),
    pidFile: `${underPrefix(node, '/run')}/${unprivilegedName}.pid`,
    reload: {
      name,
      provider: app.system ? { kind: 'systemd' } : { kind: 'supervisor', socket: app.supervisor.socket },
      check: app.system ? [program, '-t'] : [program, '-t', '-y', config],
      signal: 'USR2',
    },
  }
}

/** The path of php-fpm without its version. */
export const fpmProgram = '/usr/sbin/php-fpm'

function versionOf({ php_app }: SiteNode, installed: string | null): KnownOrReference {
  if (php_app.fpm.version) return php_app.fpm.version
  return installed ?? reference(`${versioned_program.definition.type} ${fpmProgram}`, 'version')
}

/** Returns the package of the version; before PHP is installed, the package with the distribution's version. */
export function packageOf({ version }: Fpm): string {
  return isReference(version) ? 'php-fpm' : `php${version}-fpm`
}

/** Declares a query for the version of PHP if the recipe cannot know it. */
export function findVersion(r: Recipe<SiteNode>, { fpm }: PhpApp): void {
  if (isReference(fpm.version)) versioned_program(r, { path: fpmProgram })
}

/** Returns a plain value for runs that only read the host. */
export function orPlain(value: KnownOrReference, plain: string): string {
  return isReference(value) ? plain : value
}

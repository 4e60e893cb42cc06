/** Defines the paths of a PHP app, and the version of PHP that runs it. */
import type { Recipe } from '../../core/compile/role.ts'
import { derived, isReference, type Reference, reference } from '../../core/model/reference.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { isPhpFpmExpression, phpFpmVariable } from '../../core/text/php_fpm.ts'
import { newestVersion, versioned_program } from '../../resources/packages/versioned_program.ts'
import type { PloneNode } from '../node.ts'
import { placed } from '../node.ts'
import { Values } from '../plone/values.ts'
import { environmentOf } from '../releases/checkout.ts'
import { hostHeader, hostOf } from '../releases/health.ts'
import { type AppLayout, appLayout } from '../releases/layout.ts'
import { namesOf } from '../web/names.ts'
import { type Nginx, nginxOf } from '../web/nginx.ts'

/** A text, or a reference to it. */
type Known = string | Reference<string>

export interface PhpLayout {
  readonly at: AppLayout
  readonly nginx: Nginx
  readonly settings: PloneNode['php_app']
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
  readonly version: Known
  readonly program: Known
  /** File of the pool for the system's php-fpm, or the whole configuration of an own php-fpm. */
  readonly config: Known
  readonly socket: string
  readonly log: string
  readonly pidFile: string
  readonly reload: {
    readonly name: Known
    readonly provider: { readonly kind: 'systemd' } | { readonly kind: 'supervisor'; readonly socket: string }
    readonly check: readonly Known[]
    readonly signal: string
  }
}

/** @throws INVALID_ATTRIBUTE for values that nginx or php-fpm cannot express */
export function phpLayout(node: PloneNode): PhpLayout {
  const settings = node.php_app
  // The link that the web server serves is also the link to the current release, so the two cannot differ.
  const at = appLayout(node, settings.app_name, 'php_app.app_name', 'active')
  check(settings, at)
  return {
    at,
    nginx: nginxOf(node, at),
    settings,
    environment: environmentOf(at, phpFpmVariable),
    fpm: fpmOf(node, at),
    next: `${at.deployTo}/next`,
    healthHost: hostOf(hostHeader(settings.health, namesOf(at.own, settings))),
    preview: `${at.app.toLowerCase().replace(/[^a-z0-9.-]/g, '-')}.next.invalid`,
  }
}

/** Refuses values that nginx or php-fpm would read as several words or directives. */
function check({ document_root, index, fpm, health }: PloneNode['php_app'], { app, own }: AppLayout): void {
  const values = new Values()
  values.written('php_app.document_root', document_root, nginxWord)
  values.written(`deploy.${app}.document_root`, own.document_root, nginxWord)
  values.written('php_app.health.host', health.host, nginxWord)
  values.written('php_app.health.headers', hostOf(health.headers), nginxWord)
  if (!/^[^\s;{}"'\\#$]+$/.test(index)) values.refuse('php_app.index', 'is not the name of a page', 'such as index.php')
  for (const [name, value] of Object.entries(fpm.settings)) {
    const key = `php_app.fpm.settings.${name}`
    if (!/^[\w.-]+$/.test(name)) values.refuse(key, 'is no name of a setting', 'such as memory_limit')
    if (!/^("[^"]*"|'[^']*'|[^;"']*)$/.test(value))
      values.refuse(key, 'ends at a quote or a ; in php-fpm', 'put the whole value into quotes, as in php.ini')
    // PHP reads `\"` as a quote within the text, which would continue on the next line.
    else if (/^"(?:.*[^\\])?\\(?:\\\\)*"$/.test(value))
      values.refuse(key, 'ends with a backslash before its quote', 'put it into single quotes')
    else if (!isPhpFpmExpression(value))
      values.refuse(
        key,
        'has signs that php-fpm reads as operators: ( ) = | & ^ ~ !',
        'put the whole value into quotes',
      )
    if (value.includes('${') && !value.startsWith("'"))
      values.refuse(key, 'contains ${, which php-fpm replaces by a variable', 'put it into single quotes')
  }
  values.check()
}

function fpmOf(node: PloneNode, at: AppLayout): Fpm {
  const version = versionOf(node)
  const program = derived(version, (known) => `${fpmProgram}${known}`)
  const own = `${at.app}-php-fpm`
  const name = at.system ? derived(version, (known) => `php${known}-fpm`) : own
  const config = at.system
    ? derived(version, (known) => `/etc/php/${known}/fpm/pool.d/${at.app}.conf`)
    : placed(node, `/etc/php/${at.app}.conf`)
  return {
    version,
    program,
    config,
    socket: `${placed(node, '/run')}/${at.system ? 'php/' : ''}${at.app}.sock`,
    log: placed(node, `/var/log/${own}.log`),
    pidFile: `${placed(node, '/run')}/${own}.pid`,
    reload: {
      name,
      provider: at.system ? { kind: 'systemd' } : { kind: 'supervisor', socket: at.supervisor.socket },
      check: at.system ? [program, '-t'] : [program, '-t', '-y', config],
      signal: 'USR2',
    },
  }
}

/** The path of php-fpm without its version. */
export const fpmProgram = '/usr/sbin/php-fpm'

function versionOf({ php_app, run }: PloneNode): Known {
  if (php_app.fpm.version) return php_app.fpm.version
  const installed = run.host === null ? null : newestVersion(run.host, fpmProgram)
  return installed ?? reference(`${versioned_program.definition.type} ${fpmProgram}`, 'version')
}

/** Returns the package of the version; before PHP is installed, the package with the distribution's version. */
export function packageOf({ version }: Fpm): string {
  return isReference(version) ? 'php-fpm' : `php${version}-fpm`
}

/** Declares a query for the version of PHP if the recipe cannot know it. */
export function findVersion(r: Recipe<PloneNode>, { fpm }: PhpLayout): void {
  if (isReference(fpm.version)) versioned_program(r, { path: fpmProgram })
}

/** Returns a plain value for runs that only read the host. */
export function orPlain(value: Known, plain: string): string {
  return isReference(value) ? plain : value
}

/** Where everything of a PHP app is, and which PHP runs it. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { derived, isReference, type Reference, reference } from '../../core/model/reference.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { isPhpFpmExpression, phpFpmVariable } from '../../core/text/php_fpm.ts'
import { newestVersion, versioned_program } from '../../resources/versioned_program.ts'
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
  /** Variables of the app, each of which the pool can hold. */
  readonly environment: Readonly<Record<string, string>>
  readonly fpm: Fpm
  /** The link to a release that is tried out before it goes live. */
  readonly next: string
  /** Host name by which nginx shows that release, to nobody but this host. */
  readonly preview: string
  /** Host name that PHP gets of such a request; undefined for that one. */
  readonly healthHost: string | undefined
}

export interface Fpm {
  /** Where PHP is not installed yet, this and what depends on it are known only after setup. */
  readonly version: Known
  readonly program: Known
  /** The file of the pool: of the system's php-fpm, or all there is of one of its own. */
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

/** @throws INVALID_ATTRIBUTE for what nginx or php-fpm cannot hold */
export function phpLayout(node: PloneNode): PhpLayout {
  const settings = node.php_app
  // What the web server serves is what is live: there is no second link that could say otherwise.
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

/** Several words or directives in the place of one value would be taken for what they say. */
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
    // PHP takes `\"` for a quote within the text, so that the text would continue on the next line.
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

/** The program of php-fpm without its version. */
export const fpmProgram = '/usr/sbin/php-fpm'

function versionOf({ php_app, run }: PloneNode): Known {
  if (php_app.fpm.version) return php_app.fpm.version
  const installed = run.host === null ? null : newestVersion(run.host, fpmProgram)
  return installed ?? reference(`${versioned_program.definition.type} ${fpmProgram}`, 'version')
}

/** The package of that version; where PHP is not installed yet, the one that brings the version of the distribution. */
export function packageOf({ version }: Fpm): string {
  return isReference(version) ? 'php-fpm' : `php${version}-fpm`
}

/** Asks the host for the version of PHP, where the recipe cannot know it. */
export function findVersion(r: Recipe<PloneNode>, { fpm }: PhpLayout): void {
  if (isReference(fpm.version)) versioned_program(r, { path: fpmProgram })
}

/** A value for runs that only read the host. */
export function orPlain(value: Known, plain: string): string {
  return isReference(value) ? plain : value
}

/** Where everything of a PHP app is, and which PHP runs it. */
import { nginxWord } from '../../core/text/nginx.ts'
import { phpFpmVariable } from '../../core/text/php_fpm.ts'
import type { PloneNode } from '../node.ts'
import { placed } from '../node.ts'
import { Values } from '../plone/values.ts'
import { environmentOf } from '../releases/checkout.ts'
import { hostHeader, hostOf } from '../releases/health.ts'
import { type AppLayout, appLayout } from '../releases/layout.ts'
import { namesOf } from '../web/names.ts'
import { type Nginx, nginxOf } from '../web/nginx.ts'

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
  readonly version: string
  readonly program: string
  /** The file of the pool: of the system's php-fpm, or all there is of one of its own. */
  readonly config: string
  readonly socket: string
  readonly log: string
  readonly pidFile: string
  readonly reload: {
    readonly name: string
    readonly provider: { readonly kind: 'systemd' } | { readonly kind: 'supervisor'; readonly socket: string }
    readonly check: readonly string[]
    readonly signal: string
  }
}

/** @throws INVALID_ATTRIBUTE for what nginx or php-fpm cannot hold */
export function phpLayout(node: PloneNode): PhpLayout {
  const settings = node.php_app
  // What the web server serves is what is live: there is no second link that could say otherwise.
  const at = appLayout(node, settings.app_name, 'active')
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
  if (/[\s;{}"'\\#$]/.test(index)) values.refuse('php_app.index', 'is no name of a page', 'such as index.php')
  for (const [name, value] of Object.entries(fpm.settings)) {
    const key = `php_app.fpm.settings.${name}`
    if (!/^[\w.-]+$/.test(name)) values.refuse(key, 'is no name of a setting', 'such as memory_limit')
    if (!/^("[^"]*"|'[^']*'|[^;"']*)$/.test(value))
      values.refuse(key, 'ends at a quote or a ; in php-fpm', 'put the whole value into quotes, as in php.ini')
    // PHP takes `\"` for a quote within the text, so that the text would continue on the next line.
    else if (/^"(?:.*[^\\])?\\(?:\\\\)*"$/.test(value))
      values.refuse(key, 'ends with a backslash before its quote', 'put it into single quotes')
  }
  values.check()
}

function fpmOf(node: PloneNode, at: AppLayout): Fpm {
  const version = versionOf(node)
  const program = `/usr/sbin/php-fpm${version}`
  const name = at.system ? `php${version}-fpm` : `${at.app}-php-fpm`
  const config = at.system ? `/etc/php/${version}/fpm/pool.d/${at.app}.conf` : placed(node, `/etc/php/${at.app}.conf`)
  return {
    version,
    program,
    config,
    socket: `${placed(node, '/run')}/${at.system ? 'php/' : ''}${at.app}.sock`,
    log: placed(node, `/var/log/${name}.log`),
    pidFile: `${placed(node, '/run')}/${name}.pid`,
    reload: {
      name,
      provider: at.system ? { kind: 'systemd' } : { kind: 'supervisor', socket: at.supervisor.socket },
      check: at.system ? [program, '-t'] : [program, '-t', '-y', config],
      signal: 'USR2',
    },
  }
}

/** Releases of PHP that distributions bring, for a host where it is not installed yet. */
const shipped: Readonly<Record<string, string>> = {
  'debian 11': '7.4',
  'debian 12': '8.2',
  'debian 13': '8.4',
  'ubuntu 20.04': '7.4',
  'ubuntu 22.04': '8.1',
  'ubuntu 24.04': '8.3',
}

function versionOf({ php_app, facts, run }: PloneNode): string {
  if (php_app.fpm.version) return php_app.fpm.version
  const installed = (run.host?.list('/usr/sbin') ?? []).flatMap((name) => /^php-fpm(\d+\.\d+)$/.exec(name)?.[1] ?? [])
  const newest = installed.sort((a, b) => Number(a) - Number(b)).at(-1)
  return newest ?? shipped[`${facts.platform.name} ${facts.platform.version}`] ?? '8.2'
}

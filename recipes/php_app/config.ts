/** Renders the configuration of a PHP app: its php-fpm pool, and its nginx site. */
import { derived, type Input, type Reference } from '../../core/model/reference.ts'
import { nginxText, nginxWord } from '../../core/text/nginx.ts'
import { phpFpmValue, phpFpmVariable } from '../../core/text/php_fpm.ts'
import { serverBlock } from '../web/site.ts'
import type { PhpApp } from './php_app.ts'

/** Renders the pool, with the global settings of an own php-fpm. */
export function poolText({ app, fpm, settings, environment }: PhpApp): string {
  const { pm, max_children, start_servers, min_spare_servers, max_spare_servers, control_timeout_seconds } =
    settings.fpm
  const { user, group } = app.account
  const globalLines = app.system
    ? []
    : [`pid = ${phpFpmValue(fpm.pidFile)}`, `error_log = ${phpFpmValue(fpm.log)}`, 'daemonize = no']
  const dynamic = [
    `pm.start_servers = ${start_servers}`,
    `pm.min_spare_servers = ${min_spare_servers}`,
    `pm.max_spare_servers = ${max_spare_servers}`,
  ]
  return `; Written by converge, changes are overwritten.
[global]
${[...globalLines, `process_control_timeout = ${control_timeout_seconds}s`].join('\n')}

[${app.name}]
${user === undefined ? '' : `user = ${user}\ngroup = ${group}\nlisten.owner = ${user}\nlisten.group = www-data\n`}listen = ${phpFpmValue(fpm.socket)}
listen.mode = 0660
pm = ${pm}
pm.max_children = ${max_children}
${pm === 'dynamic' ? `${dynamic.join('\n')}\n` : ''}catch_workers_output = yes
${Object.entries(settings.fpm.settings)
  .map(([name, value]) => `php_admin_value[${name}] = ${value}\n`)
  .join('')}${Object.entries(environment)
  .map(([name, value]) => `env[${name}] = ${phpFpmVariable(value)}\n`)
  .join('')}`
}

/**
 * Renders the site. `$realpath_root` gives PHP the directory of the release instead of the link, which may change a
 * moment later: a request includes files of one release only, and the caches of opcodes and paths never mix releases.
 * @param release directory of the release, for a cold update; null for the link
 */
export function siteText(php: PhpApp, release: Input<string> | null): string | Reference<string> {
  const { app, next } = php
  if (release === null) return text(php, rootOf(php, app.current), rootOf(php, next))
  return derived(release as string, (path) => text(php, rootOf(php, path), rootOf(php, next)))
}

function rootOf({ app, settings }: PhpApp, directory: string): string {
  const root = settings.document_root ?? app.attributes.document_root
  return root ? `${directory}/${root}` : directory
}

function text(php: PhpApp, root: string, next: string): string {
  const { settings, preview } = php
  return `# Written by converge, changes are overwritten.
${serverBlock(php, siteDirectives(php, root))}
# A release is asked here before it goes live.
server {
    listen ${settings.http_port};
    server_name ${preview};
    access_log off;
    allow 127.0.0.1;
    deny all;
${siteDirectives(php, next, previewNames(php))
  .split('\n')
  .map((line) => (line === '' ? line : `    ${line}`))
  .join('\n')}
}
`
}

/** Returns directives that give PHP the host name of the app; empty if PHP gets that of the preview. */
export function previewNames({ healthHost }: PhpApp): string {
  if (healthHost === undefined) return ''
  const name = healthHost.replace(/:\d+$/, '')
  return `
    fastcgi_param HTTP_HOST ${nginxWord(healthHost)};
    fastcgi_param SERVER_NAME ${nginxWord(name)};`
}

function siteDirectives({ fpm, settings }: PhpApp, root: string, names = ''): string {
  return `root ${nginxWord(root)};
index ${settings.index};
location / {
    try_files $uri $uri/ /${settings.index}$is_args$args;
}
location ~ /\\. {
    deny all;
}
location ~ \\.php$ {
    try_files $uri =404;
    include /etc/nginx/fastcgi_params;
    fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
    fastcgi_param DOCUMENT_ROOT $realpath_root;${names}
    fastcgi_pass ${nginxWord(`unix:${fpm.socket}`)};
}`
}

/** Finds the document root in the text of a site; null for none. */
export function rootIn(text: string | null): string | null {
  const word = /^\s*root (.+);$/m.exec(text ?? '')?.[1]
  return word === undefined ? null : nginxText(word)
}

/** Returns the document root of hot mode. */
export function hotRoot(php: PhpApp): string {
  return rootOf(php, php.app.current)
}

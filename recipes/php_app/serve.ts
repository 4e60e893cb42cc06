/** What serves a PHP app: its pool in php-fpm, its site in nginx, and the switch from one release to another. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { HostReader } from '../../core/host/types.ts'
import { derived, type Input, isReference } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { shellWords } from '../../core/text/shell.ts'
import { file } from '../../resources/file.ts'
import { service } from '../../resources/service.ts'
import { service_reload } from '../../resources/service_reload.ts'
import { service_restart } from '../../resources/service_restart.ts'
import type { ReadyProps } from '../../resources/services/ready_props.ts'
import { smoke_test } from '../../resources/smoke_test.ts'
import { supervisor_program } from '../../resources/supervisor_program.ts'
import { symlink } from '../../resources/symlink.ts'
import { poolOverride, refuseOverride } from '../checks/overrides.ts'
import type { PloneNode } from '../node.ts'
import { supervisorRuns } from '../plone/supervisor.ts'
import { withoutHost } from '../releases/health.ts'
import { wasLive } from '../releases/rollback.ts'
import { switchCurrent } from '../releases/switch.ts'
import { enabledPath, serveSite, siteFile, sitePath } from '../web/site.ts'
import { hotRoot, poolText, previewNames, rootIn, siteText } from './config.ts'
import { findVersion, orPlain, type PhpLayout } from './layout.ts'

/** The pool, in a php-fpm that runs. */
export function pool(r: Recipe<PloneNode>, node: PloneNode, php: PhpLayout): Handle {
  const { at, fpm, settings } = php
  findVersion(r, php)
  if (at.system && node.run.host && !isReference(fpm.config))
    refuseOverride(poolOverride(node.run.host, fpm.config, at.app))
  const config = file(r, {
    path: fpm.config,
    content: poolText(php),
    // Variables may be secrets; php-fpm reads it as root.
    mode: Object.keys(php.environment).length > 0 ? '0600' : '0644',
    verify: { command: [fpm.program, '-t', '-y', '%{path}'] },
  })
  if (!at.system) {
    const ownConfig = orPlain(fpm.config, '')
    supervisorRuns(r, node, at)
    const program = supervisor_program(r, {
      name: fpm.reload.name,
      app: at.app,
      command: derived(fpm.program, (program) => shellWords([program, '-y', ownConfig])),
      stopSignal: 'QUIT',
      stopWait: seconds(settings.fpm.control_timeout_seconds + 5),
      confDir: at.supervisor.confDir,
      logDir: at.supervisor.logDir,
      socket: at.supervisor.socket,
    })
    service_restart(r, {
      provider: fpm.reload.provider,
      services: [{ name: fpm.reload.name }],
      adopt: true,
      when: [program],
    })
  } else service(r, { name: fpm.reload.name, provider: fpm.reload.provider, enabled: true })
  return config
}

/** The pool is ready while one of its workers answers. */
export function readyOf({ fpm }: PhpLayout): ReadyProps {
  return { kind: 'fastcgi', socket: fpm.socket }
}

/** Says where a hot update is the first one: then it is none yet. */
export function tellFirst(r: Recipe<PloneNode>, node: PloneNode, php: PhpLayout): void {
  const { at, settings } = php
  const now = rootIn(node.run.host?.readText(sitePath(php)) ?? null)
  if (settings.update_mode === 'hot' && now !== hotRoot(php))
    r.note(
      `${at.app}: the document root becomes the link ${at.current}, so nginx and php-fpm reload once; later hot updates reload neither`,
    )
}

/** Tries a release out before it goes live, where nginx can show it already. */
export function tryOut(r: Recipe<PloneNode>, php: PhpLayout, path: Input<string>): void {
  const { at, next } = php
  const link = symlink(r, { path: next, target: path, ...at.owner })
  const shown: Check = {
    description: 'it is not live, and nginx can show it',
    check: (host) => {
      const text = host.readText(enabledPath(php))
      return shows(php, text) && targetOf(host, next) !== targetOf(host, at.current)
    },
  }
  ask(r, php, path, `${at.app} before it goes live`, { when: [link], onlyIf: shown })
}

/** Whether the site shows a release that is not current, under the name that the app answers to. */
function shows(php: PhpLayout, site: string | null): boolean {
  const lines = [`server_name ${php.preview};`, ...previewNames(php).split('\n')]
  return site !== null && lines.every((line) => site.includes(line.trim()))
}

/** Where a link points; null for anything else. */
function targetOf(host: HostReader, link: string): string | null {
  return host.lstat(link)?.kind === 'link' ? host.readLink(link) : null
}

function ask(
  r: Recipe<PloneNode>,
  { at, settings, preview }: PhpLayout,
  directory: Input<string>,
  app: string,
  options: { readonly when: readonly Handle[]; readonly onlyIf?: Check },
): void {
  const { path, status, headers, deadline_seconds } = settings.health
  const request = {
    port: settings.http_port,
    path,
    statusMin: status.min,
    statusMax: status.max,
    headers: { Host: preview, ...withoutHost(headers) },
  }
  smoke_test(r, { app, directory, requests: [request], deadline: seconds(deadline_seconds), ...at.account, ...options })
}

interface Switch {
  /** The pool, which php-fpm is to be reloaded for beside the site. */
  readonly config: Handle
  /** Names a command that has both reloaded regardless of changes. */
  readonly force?: string | undefined
}

/** Makes a release the live one: by the link alone, or by a configuration that names it. */
export function switchTo(
  r: Recipe<PloneNode>,
  node: PloneNode,
  php: PhpLayout,
  path: Input<string>,
  { config, force }: Switch,
): Handle {
  const { at, fpm, settings } = php
  const content = siteText(php, settings.update_mode === 'hot' ? null : path)
  const text = siteFile(r, node, php, content)
  wasLive(r, at, path)
  const active = switchCurrent(r, node, at, path)
  const { name, provider, signal, check } = fpm.reload
  service_reload(r, {
    name,
    purpose: at.app,
    provider,
    signal,
    check: [...check],
    ready: readyOf(php),
    // A reload takes as long as the requests under way may.
    deadline: seconds(settings.fpm.control_timeout_seconds + 60),
    when: [config, text],
    ...(force === undefined ? {} : { force }),
  })
  serveSite(r, php, content, force)
  // The first one could not be tried out before.
  ask(r, php, path, `${at.app}, live`, { when: [active, text] })
  return active
}

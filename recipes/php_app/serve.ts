/** Declares the pool of a PHP app in php-fpm, its site in nginx, and the switch from one release to another. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { derived, type Input, isReference } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { shellWords } from '../../core/text/shell.ts'
import { file } from '../../resources/files/file.ts'
import { textOf } from '../../resources/files/queries.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { smoke_test } from '../../resources/releases/smoke_test.ts'
import { poolOverrideOf } from '../../resources/services/overrides.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { withoutHost } from '../app/health_request.ts'
import { markAsCurrent } from '../app/rollback.ts'
import { requireSupervisor } from '../app/supervisor.ts'
import { switchCurrent } from '../app/switch.ts'
import { refuseOverride } from '../checks/overrides.ts'
import type { SiteNode } from '../node.ts'
import { enabledPath, serveSite, siteFile, sitePath } from '../web/site.ts'
import { hotRoot, poolText, previewNames, rootIn, siteText } from './config.ts'
import { findVersion, orPlain, type PhpApp } from './php_app.ts'

/** Declares the pool and a running php-fpm. */
export function declarePool(r: Recipe<SiteNode>, node: SiteNode, php: PhpApp): Handle {
  const { app, fpm, settings } = php
  findVersion(r, php)
  if (app.system && !isReference(fpm.config)) r.given(poolOverrideOf(fpm.config, app.name), refuseOverride)
  const config = file(r, {
    path: fpm.config,
    content: poolText(php),
    // Variables may be secrets; php-fpm reads the file as root.
    mode: Object.keys(php.environment).length > 0 ? '0600' : '0644',
    verify: { command: [fpm.program, '-t', '-y', '%{path}'] },
  })
  if (!app.system) {
    const ownConfig = orPlain(fpm.config, '')
    requireSupervisor(r, node, app)
    const program = supervisor_program(r, {
      name: fpm.reload.name,
      app: app.name,
      command: derived(fpm.program, (program) => shellWords([program, '-y', ownConfig])),
      stopSignal: 'QUIT',
      stopWait: seconds(settings.fpm.control_timeout_seconds + 5),
      confDir: app.supervisor.confDir,
      logDir: app.supervisor.logDir,
      socket: app.supervisor.socket,
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

/** Returns the readiness test of the pool: one of its workers must answer. */
export function poolReadiness({ fpm }: PhpApp): ReadyProps {
  return { kind: 'fastcgi', socket: fpm.socket }
}

/** Notes that the first hot update still reloads nginx and php-fpm. */
export function noteFirstHotUpdate(r: Recipe<SiteNode>, php: PhpApp): void {
  const { app, settings } = php
  if (settings.update_mode !== 'hot') return
  r.given(textOf(sitePath(php)), (site) => {
    if (rootIn(site) !== hotRoot(php))
      r.note(
        `${app.name}: the document root becomes the link ${app.current}, so nginx and php-fpm reload once; later hot updates reload neither`,
      )
  })
}

/** Tests a release before it becomes the current release, if nginx can already serve it. */
export function testBeforeSwitch(r: Recipe<SiteNode>, php: PhpApp, path: Input<string>): void {
  const { app, next } = php
  const link = symlink(r, { path: next, target: path, ...app.owner })
  const shown: Check = {
    description: 'it is not live, and nginx can show it',
    check: (host) => {
      const text = host.readText(enabledPath(php))
      return shows(php, text) && targetOf(host, next) !== targetOf(host, app.current)
    },
  }
  requestPage(r, php, path, `${app.name} before it goes live`, { when: [link], onlyIf: shown })
}

/** Decides whether the site can show a release that is not current, under the name to which the app answers. */
function shows(php: PhpApp, site: string | null): boolean {
  const lines = [`server_name ${php.preview};`, ...previewNames(php).split('\n')]
  return site !== null && lines.every((line) => site.includes(line.trim()))
}

/** Returns the target of a link; null for anything else. */
function targetOf(host: HostReader, link: string): string | null {
  return host.lstat(link)?.kind === 'link' ? host.readLink(link) : null
}

function requestPage(
  r: Recipe<SiteNode>,
  { app, settings, preview }: PhpApp,
  directory: Input<string>,
  title: string,
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
  smoke_test(r, {
    app: title,
    directory,
    requests: [request],
    deadline: seconds(deadline_seconds),
    ...app.account,
    ...options,
  })
}

interface Switch {
  /** Resources whose changes reload php-fpm as changes of the site do: its pool. */
  readonly reloadAfter: readonly Handle[]
  /** Name of a command that reloads both regardless of changes. */
  readonly force?: string | undefined
}

/** Makes a release the current release: by the link alone, or by a configuration that names it. */
export function serveRelease(
  r: Recipe<SiteNode>,
  node: SiteNode,
  php: PhpApp,
  path: Input<string>,
  { reloadAfter, force }: Switch,
): Handle {
  const { app, fpm, settings } = php
  const content = siteText(php, settings.update_mode === 'hot' ? null : path)
  const text = siteFile(r, node, php, content)
  markAsCurrent(r, app, path)
  const active = switchCurrent(r, app, path)
  const { name, provider, signal, check } = fpm.reload
  service_reload(r, {
    name,
    purpose: app.name,
    provider,
    signal,
    check: [...check],
    ready: poolReadiness(php),
    // A reload waits for the requests under way.
    deadline: seconds(settings.fpm.control_timeout_seconds + 60),
    when: [...reloadAfter, text],
    ...omitUndefined({ force }),
  })
  serveSite(r, php, content, force)
  // The first release could not be tested before the switch.
  requestPage(r, php, path, `${app.name}, live`, { when: [active, text] })
  return active
}

/** What serves a PHP app: its pool in php-fpm, its site in nginx, and the switch from one release to another. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Input } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { file } from '../../resources/file.ts'
import { service } from '../../resources/service.ts'
import { service_reload } from '../../resources/service_reload.ts'
import { smoke_test } from '../../resources/smoke_test.ts'
import { supervisor_program } from '../../resources/supervisor_program.ts'
import { symlink } from '../../resources/symlink.ts'
import type { PloneNode } from '../node.ts'
import { supervisorRuns } from '../plone/supervisor.ts'
import { wasLive } from '../releases/rollback.ts'
import { domainsOf, enabledPath, serveSite, siteFile, sitePath } from '../web/nginx.ts'
import { hotRoot, poolText, rootIn, siteText } from './config.ts'
import type { PhpLayout } from './layout.ts'

/** The pool, in a php-fpm that runs. */
export function pool(r: Recipe<PloneNode>, node: PloneNode, php: PhpLayout): Handle {
  const { at, fpm, settings } = php
  const config = file(r, {
    path: fpm.config,
    content: poolText(php),
    mode: '0644',
    verify: { command: [fpm.program, '-t', '-y', '%{path}'] },
  })
  if (!at.system) {
    supervisorRuns(r, node, at)
    supervisor_program(r, {
      name: fpm.reload.name,
      app: at.app,
      command: `${fpm.program} -y ${fpm.config}`,
      stopSignal: 'QUIT',
      stopWait: seconds(settings.fpm.control_timeout_seconds + 5),
      confDir: at.supervisor.confDir,
      logDir: at.supervisor.logDir,
      socket: at.supervisor.socket,
    })
  }
  service(r, { name: fpm.reload.name, provider: fpm.reload.provider })
  return config
}

/** Says where a hot update is the first one: then it is none yet. */
export function tellFirst(r: Recipe<PloneNode>, node: PloneNode, php: PhpLayout): void {
  const { at, nginx, settings } = php
  const now = rootIn(node.run.host?.readText(sitePath(at, nginx)) ?? null)
  if (settings.update_mode === 'hot' && now !== hotRoot(php))
    r.warn(
      `${at.app}: the document root is now the link ${at.current}: nginx and php-fpm are reloaded once; from the next hot update on nothing is`,
    )
}

/** Tries a release out before it goes live, where nginx can show it already. */
export function tryOut(r: Recipe<PloneNode>, { at, nginx, next, ...php }: PhpLayout, path: Input<string>): void {
  const link = symlink(r, { path: next, target: path, ...at.owner })
  const { settings, preview } = php
  const shown: Check = {
    description: 'it is not live, and nginx can show it',
    check: (host) => {
      const text = host.readText(enabledPath(at, nginx))
      return text?.includes(`server_name ${preview};`) === true && targetOf(host, next) !== targetOf(host, at.current)
    },
  }
  ask(r, { at, settings, preview }, path, `${at.app} before it goes live`, { when: [link], onlyIf: shown })
}

/** Where a link points; null for anything else. */
function targetOf(host: HostReader, link: string): string | null {
  return host.lstat(link)?.kind === 'link' ? host.readLink(link) : null
}

function ask(
  r: Recipe<PloneNode>,
  { at, settings, preview }: Pick<PhpLayout, 'at' | 'settings' | 'preview'>,
  directory: Input<string>,
  app: string,
  options: { readonly when: readonly Handle[]; readonly onlyIf?: Check },
): void {
  const { path, status, deadline_seconds } = settings.health
  const request = {
    port: settings.http_port,
    path,
    statusMin: status.min,
    statusMax: status.max,
    headers: { Host: preview },
  }
  smoke_test(r, { app, directory, requests: [request], deadline: seconds(deadline_seconds), ...at.account, ...options })
}

interface Changed {
  /** What php-fpm is to be reloaded for, beside the site. */
  readonly changed: readonly Handle[]
  /** What nginx is to be reloaded for, beside the site. */
  readonly anew?: readonly Handle[]
}

/** Makes a release the live one: by the link alone, or by a configuration that names it. */
export function switchTo(
  r: Recipe<PloneNode>,
  php: PhpLayout,
  path: Input<string>,
  { changed, anew = [] }: Changed,
): Handle {
  const { at, nginx, fpm, settings } = php
  const content = siteText(php, settings.update_mode === 'hot' ? null : path)
  const text = siteFile(r, at, nginx, content)
  wasLive(r, at, path)
  const active = symlink(r, { path: at.current, target: path, ...at.owner })
  const { name, provider, signal, check } = fpm.reload
  service_reload(r, { name, purpose: at.app, provider, signal, check: [...check], when: [...changed, text] })
  serveSite(r, at, nginx, content, { anyName: domainsOf(at, settings).length === 0, changed: anew })
  // The first one could not be tried out before.
  ask(r, php, path, `${at.app}, live`, { when: [active, text] })
  return active
}

/** Starts the programs of an app after a reboot when its blobs are mounted: supervisord does not wait for mounts. */
import type { Recipe } from '../../core/compile/role.ts'
import { networkFileSystems } from '../../core/host/network_mounts.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { shellWords } from '../../core/text/shell.ts'
import { service } from '../../resources/services/service.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import type { SiteNode } from '../node.ts'
import { type BlobMount, mountOf } from './blob_mounts.ts'
import type { BuildoutApp } from './buildout_app.ts'

/** Returns the name of the waiter's program, which differs from the app's own programs. */
export function waiterOf({ name: app }: BuildoutApp): string {
  return `converge-mount-${app}`
}

export function waitsForMount(node: SiteNode, app: BuildoutApp): boolean {
  return mountOf(node, app) !== null
}

/**
 * Declares the only program of the app that starts with supervisord. It ends after it has started the others, or is
 * stopped with them.
 * @param names programs of the app, in start order
 */
export function mountWaiter(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  names: readonly string[],
  guard: CommonOptions,
): void {
  const mount = mountOf(node, app)
  if (mount === null) return
  const { confDir, logDir, socket } = app.supervisor
  supervisor_program(r, {
    name: waiterOf(app),
    app: app.name,
    command: shellWords(['/bin/sh', '-c', script(app, mount, names)]),
    directory: '/',
    environment: {},
    autorestart: false,
    startSeconds: 0,
    confDir,
    logDir,
    socket,
    // Only root can use the socket of the system's supervisord.
    ...(app.account.user === undefined ? {} : { user: 'root' }),
    ...guard,
  })
}

/** Stops a waiter that still waits: it would start programs that have been stopped. */
export function stopWaiter(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  if (!waitsForMount(node, app)) return
  const provider = { kind: 'supervisor' as const, socket: app.supervisor.socket }
  service(r, { name: waiterOf(app), action: 'stopped', provider })
}

/** systemd mounts once at boot: it does not try again when a server comes later. */
function script(app: BuildoutApp, { path, point }: BlobMount, names: readonly string[]): string {
  const { config, environment } = app.supervisor
  const control = app.system ? '/usr/bin/supervisorctl' : `${environment}/bin/supervisorctl`
  const type = `findmnt -n -o FSTYPE -T "$(readlink -m ${shellWords([path])})"`
  const isMounted = `${type} | grep -qxE ${shellWords([networkFileSystems])}`
  const attempt = point === null ? '' : `timeout -k 5 120 mount ${shellWords([point])} 2>/dev/null; `
  return `until ${isMounted}; do ${attempt}sleep 5; done; ${shellWords([control, '-c', config, 'start', ...names])}; exit 0`
}

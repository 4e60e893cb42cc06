/** Describes the three programs of the front end: as services of the system, or as programs of an own supervisord. */
import { digestOf } from '../../core/model/json.ts'
import { seconds } from '../../core/model/units.ts'
import { shellWords } from '../../core/text/shell.ts'
import { varnishWord } from '../../core/text/varnish_cli.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import type { StoppableApp } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { nginxProgram } from '../web/nginx.ts'
import { balancerAt, bindAddresses, cacheAt, reachedAt } from './addresses.ts'
import type { FrontendLayout } from './layout.ts'

/** The owner of the front end's programs in supervisord, which distinguishes them from those of an app. */
export const owner = 'converge-frontend'

export const programs = {
  haproxy: '/usr/sbin/haproxy',
  varnishd: '/usr/sbin/varnishd',
  nginx: nginxProgram,
} as const

export type Part = 'haproxy' | 'varnish' | 'nginx'
/** The parts in start order: each starts after the part that it sends requests to. */
export const parts: readonly Part[] = ['haproxy', 'varnish', 'nginx']

/** Returns the name of a part in systemd or supervisord. */
export function nameOf({ system, nginx }: FrontendLayout, part: Part): string {
  return part === 'nginx' ? nginx.reload.name : system ? part : `frontend-${part}`
}

export function providerOf({ system, supervisor }: FrontendLayout) {
  return system ? { kind: 'systemd' as const } : { kind: 'supervisor' as const, socket: supervisor.socket }
}

/** Returns the front end for the record of a stop, under a name that no app can have. */
export function stoppable({ supervisor, nginx }: FrontendLayout): StoppableApp {
  return { name: 'the front end', programOwner: owner, programs: [nginx.reload.name], supervisor }
}

/**
 * Returns the readiness test of a part. That of nginx requests a page of the site, as other sites may share the port.
 * @param socket runtime socket of HAProxy
 */
export function readyOf(node: SiteNode, part: Part, socket: string): ReadyProps {
  if (part === 'nginx')
    return { port: node.converge.frontend.http_port, path: '/_main_status_', statusMin: 200, statusMax: 200 }
  const at = part === 'haproxy' ? balancerAt(node) : cacheAt(node)
  const listening = { port: at.port, host: reachedAt(at) }
  return part === 'varnish' ? { kind: 'varnish', ...listening } : { kind: 'haproxy', socket, ...listening }
}

/** Returns the program of a part for supervisord, in the foreground; nginx has one program for all sites. */
export function programProps(node: SiteNode, app: FrontendLayout, part: Exclude<Part, 'nginx'>) {
  const command = {
    haproxy: [programs.haproxy, '-W', '-db', '-f', app.haproxy.config],
    varnish: varnishCommand(node, app),
  }[part]
  return {
    name: nameOf(app, part),
    app: owner,
    command: shellWords(command),
    // USR1: HAProxy finishes the requests under way.
    stopSignal: ({ haproxy: 'USR1', varnish: 'TERM' } as const)[part],
    stopWait: seconds(30),
    stopAsGroup: true,
    confDir: app.supervisor.confDir,
    logDir: app.supervisor.logDir,
    socket: app.supervisor.socket,
  }
}

function varnishCommand(node: SiteNode, { varnish }: FrontendLayout): string[] {
  return [
    programs.varnishd,
    '-F',
    ...(varnish.directory === null ? [] : ['-n', varnish.directory]),
    ...bindAddresses(cacheAt(node)).flatMap((at) => ['-a', at]),
    '-f',
    varnish.config,
    '-s',
    `malloc,${node.converge.frontend.cache_size}`,
  ]
}

/** Script that loads a configuration unless its name is loaded, which means the same content; discards unused ones. */
const load = `
name=$1 file=$2
shift 2
varnishadm "$@" vcl.use "$name" > /dev/null 2>&1 ||
  { varnishadm "$@" vcl.load "$name" "$file" && varnishadm "$@" vcl.use "$name"; } || exit 1
for old in $(varnishadm "$@" vcl.list | grep '^available' | grep -o 'converge_[0-9a-f]*'); do
  varnishadm "$@" vcl.discard "$old" > /dev/null || exit 1
done
`

/** Returns the command that switches a running Varnish to a configuration, and keeps its cache. */
export function loadVcl({ varnish }: FrontendLayout, vcl: string): string[] {
  const where = varnish.directory === null ? [] : ['-n', varnish.directory]
  return ['sh', '-c', load, 'sh', `converge_${digestOf(vcl).slice(0, 12)}`, varnishWord(varnish.config), ...where]
}

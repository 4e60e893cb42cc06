/** Chooses the readiness test of each program of a buildout app. */
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { seconds } from '../../core/model/units.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import { hostHeader } from '../app/health_request.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { clientAddress } from './balancing.ts'
import type { BuildoutApp } from './buildout_app.ts'
import type { Program } from './programs.ts'

/**
 * Derives the test from the program instead of recording it, so that releases of earlier versions have it as well.
 */
export function readinessTest(node: SiteNode, app: BuildoutApp, program: Program): ReadyProps {
  const { ready, port } = program
  if (ready !== undefined) return statedTest(node, app, ready)
  if (port !== undefined)
    return { ...httpTest(node, app, port), ...databaseCause(node, app), host: clientAddress(node.plone_instances) }
  const [command = '', ...words] = wordsOf(program.command)
  if (command === `${app.current}/bin/zeoserver`) return zeoTest(node, app)
  if (command === `${app.current}/bin/solr-instance`) return solrTest(node, app)
  if (command === `${app.current}/bin/celery` && words[0] === 'worker')
    return celeryTest(node, app, program, words.slice(1))
  return uptimeTest(node)
}

/** Returns the test that a user's command sets. */
function statedTest(node: SiteNode, app: BuildoutApp, ready: NonNullable<Program['ready']>): ReadyProps {
  if (ready.kind === 'stay_up') return uptimeTest(node, ready.seconds)
  if (ready.kind === 'http') {
    const { warmPaths: _, ...requestTest } = httpTest(node, app, ready.port)
    return { ...requestTest, ...omitUndefined({ path: ready.path }) }
  }
  return { kind: ready.kind, port: ready.port }
}

/** Returns the cause that the log of a client without its ZEO server does not name: it waits, and logs retries. */
function databaseCause({ plone_instances, run }: SiteNode, { role }: BuildoutApp): { otherCause?: string } {
  const isElsewhere = !plone_instances.enable_relstorage && !(run.roles ?? []).includes('zeo-server')
  if (role !== 'zeo-client' || !isElsewhere) return {}
  return { otherCause: 'check that the ZEO server listens on an address that this host reaches, not on 127.0.0.1' }
}

/** Returns a test for an HTTP answer, with the settings of `converge.readiness`. */
export function httpTest(node: SiteNode, app: BuildoutApp, port: number) {
  const { path, status, warm_paths, host, headers } = node.converge.readiness
  return {
    port,
    path,
    headers: hostHeader({ host, headers }, app.attributes.domains ?? []),
    statusMin: status.min,
    statusMax: status.max,
    attribute: 'converge.readiness',
    warmPaths: [...warm_paths],
  }
}

function uptimeTest({ converge }: SiteNode, time = converge.readiness.stay_up_seconds): ReadyProps {
  return { kind: 'uptime', time: seconds(time) }
}

/** Returns the test of a ZEO server; its address is in the zeo.conf of the build, else in the attribute. */
function zeoTest(node: SiteNode, app: BuildoutApp): ReadyProps {
  const { address } = node.plone_zeoserver.readiness
  if (isSet(address)) {
    const [, host = '', port = ''] = /^(?:(.*):)?(\d+)$/.exec(address) ?? []
    return { kind: 'zeo', port: Number(port), ...(host === '' ? {} : { host }) }
  }
  return { kind: 'zeo', program: `${app.current}/bin/zeoserver`, config: `${app.current}/parts/zeoserver/etc/zeo.conf` }
}

function solrTest(node: SiteNode, app: BuildoutApp): ReadyProps {
  const { port, path } = node.plone_solr.readiness
  const portSource = port === null ? { config: `${app.current}/parts/solr-instance/etc/jetty.xml` } : { port }
  return { kind: 'solr', path, ...portSource }
}

const appOptions = new Set(['-A', '--app', '-b', '--broker', '--config', '--workdir', '--loader', '--result-backend'])
const nameOptions = new Set(['-n', '--hostname'])

/** Returns a ping of the worker by its name through its broker, with the command's options that locate the app. */
function celeryTest(node: SiteNode, app: BuildoutApp, program: Program, args: readonly string[]): ReadyProps {
  if (node.plone_instances.celery_readiness === 'running') return uptimeTest(node)
  const [location, name] = [optionsIn(args, appOptions), optionsIn(args, nameOptions).at(-1)]
  const ping = [`${app.current}/bin/celery`, 'inspect', 'ping', ...location, '--timeout', '5']
  return {
    kind: 'command',
    title: 'celery inspect ping',
    command: ['/bin/sh', '-c', pingByName, nodeName(name), ...ping],
    cwd: program.directory,
    environment: { ...program.environment },
    ...app.account,
    hint: 'start its broker, or correct its address; where workers have no remote control, set plone_instances.celery_readiness to "running"',
  }
}

/** The script that pings a worker: its name contains the name of the host as celery sees it. */
const pingByName = `host=$(uname -n)
node=$(printf '%s' "$0" | sed -e "s/%h/$host/g" -e "s/%n/\${host%%.*}/g" -e "s/%d/\${host#*.}/g")
exec "$@" -d "$node"`

/** Returns the full name of a worker, like celery (\`celery.utils.nodenames\`). */
function nodeName(option = '%h'): string {
  return option.includes('@') ? option : `celery@${option}`
}

/** Returns the named options with their values, given as `--name=value` or as two words. */
function optionsIn(args: readonly string[], names: ReadonlySet<string>): string[] {
  return args.flatMap((word, index) => {
    const [name = '', value] = word.split(/=(.*)/s, 2)
    if (names.has(word)) return [word, args[index + 1] ?? '']
    return names.has(name) && value !== undefined ? [name, value] : []
  })
}

/** Splits a command like supervisord. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'),
  )
}

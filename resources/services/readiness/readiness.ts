/** Checks whether a service is ready, by the protocol of its kind. */
import type { Endpoint, HostReader, RequestOptions } from '../../../core/host/types.ts'
import { askPastCaches, cachedProblem } from '../../../core/model/cached_answer.ts'
import { asConvergeError } from '../../../core/model/errors.ts'
import { Duration } from '../../../core/model/units.ts'
import { lastLines } from '../managers/types.ts'
import { jettyAddress, toConnect, zeoAddress } from './listening_address.ts'
import { isPortTaken } from './port_in_use.ts'
import { fastcgiProblem, haproxyProblem, varnishProblem } from './protocol_checks.ts'
import type { HttpReadiness, Readiness } from './ready_props.ts'

/** A kind with a check; `uptime` has none, and its callers wait instead. */
export type CheckedReadiness = Exclude<Readiness, { kind: 'uptime' }>

/** The first message of servers of ZEO 3 to 6: a length of 4 bytes, then Z or M and the version. */
const zeoBanner = /^\0\0\0[\x02-\x10][ZM]\d/
const bannerLength = 6

/** Returns why the service is not ready; null if it is ready. */
export async function readinessProblem(
  host: HostReader,
  ready: CheckedReadiness,
  timeout: Duration,
): Promise<string | null> {
  try {
    return await runCheck(host, ready, timeout)
  } catch (error) {
    const known = asConvergeError(error)
    if (known.code === 'INTERNAL') throw error
    return known.message
  }
}

async function runCheck(host: HostReader, ready: CheckedReadiness, timeout: Duration): Promise<string | null> {
  switch (ready.kind) {
    case 'solr':
      return httpProblem(host, { ...solrEndpoint(host, ready), path: ready.path, timeout }, solrStatus)
    case 'zeo':
      return greetingProblem(host, ready, timeout)
    case 'tcp':
      return connectionProblem(host, ready)
    case 'fastcgi':
      return fastcgiProblem(host, ready.socket, timeout)
    case 'haproxy':
      return (await listenerProblem(host, ready)) ?? (await haproxyProblem(host, ready.socket, timeout))
    case 'varnish':
      return varnishProblem(host, ready, timeout)
    case 'command':
      return commandProblem(host, ready, timeout)
    default: {
      const problem = await pageProblem(host, ready, ready.path, timeout)
      return problem === null ? null : problem.replace(/^it /, `${checkUrl(ready)} `)
    }
  }
}

function solrEndpoint(host: HostReader, ready: Extract<CheckedReadiness, { kind: 'solr' }>) {
  return toConnect(jettyAddress(host, ready.config, ready))
}

/** The bytes to read of a page when only its status matters. */
const enoughOfPage = 64 * 1024

/** A Solr that requires a login counts as ready. */
const solrStatus = { statusMin: 200, statusMax: 403 }

/** Returns what is wrong with the answer to an HTTP request; null if nothing. */
export function pageProblem(
  host: HostReader,
  ready: HttpReadiness,
  path: string,
  timeout: Duration,
): Promise<string | null> {
  const { host: address, port, headers } = ready
  return httpProblem(host, { host: address, port, path, headers, timeout }, ready)
}

async function httpProblem(
  host: HostReader,
  request: RequestOptions,
  { statusMin, statusMax }: Pick<HttpReadiness, 'statusMin' | 'statusMax'>,
): Promise<string | null> {
  const { answer, cached } = await askPastCaches(request.path ?? '/', (path) =>
    host.request({ ...request, path, enough: enoughOfPage }),
  )
  if (cached !== null) return cachedProblem(cached)
  const { status } = answer
  return status >= statusMin && status <= statusMax ? null : `it answered with HTTP status ${status}`
}

async function greetingProblem(
  host: HostReader,
  ready: Extract<CheckedReadiness, { kind: 'zeo' }>,
  timeout: Duration,
): Promise<string | null> {
  const { endpoint: listening, tls } = zeoAddress(host, ready)
  const endpoint = toConnect(listening)
  if (tls) return connectionProblem(host, endpoint)
  const text = await host.querySocket({ ...endpoint, text: '', enough: bannerLength, timeout })
  return zeoBanner.test(text) ? null : `the process at ${endpointName(endpoint)} is not a ZEO server`
}

async function connectionProblem(
  host: HostReader,
  { socketPath, host: address, port = 0 }: Endpoint,
): Promise<string | null> {
  if (socketPath !== undefined) return host.stat(socketPath) === null ? `there is no socket ${socketPath}` : null
  if (await host.listening(port, address)) return null
  const name = endpointName({ host: address, port })
  const isTaken = await isPortTaken(host, port, address ?? '127.0.0.1')
  return isTaken ? `a process listens on ${name} and accepts no connection` : `nothing listens on ${name}`
}

/** As `connectionProblem`, for a service with another check: while many visitors connect, its port answers late. */
async function listenerProblem(host: HostReader, ready: Endpoint & ListeningPort): Promise<string | null> {
  const problem = await connectionProblem(host, ready)
  return problem !== null && (await isPortTaken(host, ready.port, ready.host)) ? null : problem
}

async function commandProblem(
  host: HostReader,
  ready: Extract<CheckedReadiness, { kind: 'command' }>,
  timeout: Duration,
): Promise<string | null> {
  const { command, cwd, user, group, environment } = ready
  const account = host.isRoot ? { user, group } : {}
  const { status, stdout, stderr } = await host.query(command, { cwd, ...account, environment, timeout, accept: 'any' })
  if (status === 0) return null
  const output = lastLines(`${stdout}\n${stderr}`.trim(), 1)
  return `${commandTitle(ready)} ended with exit status ${status}${output === '' ? '' : `: ${output}`}`
}

function commandTitle({ title, command }: Extract<CheckedReadiness, { kind: 'command' }>): string {
  return title ?? command.join(' ')
}

/** Returns the name of a check, for progress lines and errors. */
export function checkName(host: HostReader, ready: CheckedReadiness): string {
  switch (ready.kind) {
    case 'solr':
      return checkUrl({ ...solrEndpoint(host, ready), path: ready.path })
    case 'zeo':
      return `the ZEO server at ${endpointName(toConnect(zeoAddress(host, ready).endpoint))}`
    case 'tcp':
      return `a listener at ${endpointName(ready)}`
    case 'fastcgi':
      return `php-fpm at ${ready.socket}`
    case 'haproxy':
      return `HAProxy at ${endpointName(ready)}`
    case 'varnish':
      return `Varnish at ${endpointName(ready)}`
    case 'command':
      return commandTitle(ready)
    default:
      return checkUrl(ready)
  }
}

function checkUrl({ host, port, path }: Pick<HttpReadiness, 'host' | 'port' | 'path'>): string {
  return `http://${host}:${port}${path}`
}

function endpointName({ socketPath, host, port }: Endpoint): string {
  return socketPath ?? `${host}:${port}`
}

interface ListeningPort {
  readonly host: string
  readonly port: number
}

/** Returns the address and port that the service listens on; null if it uses no port. */
function listeningPort(host: HostReader, ready: Readiness): ListeningPort | null {
  if (ready.kind === 'uptime' || ready.kind === 'command' || ready.kind === 'fastcgi') return null
  if (ready.kind === 'solr') return jettyAddress(host, ready.config, ready)
  if (ready.kind !== 'zeo') return ready
  const { host: address = '127.0.0.1', port } = zeoAddress(host, ready).endpoint
  return port === undefined ? null : { host: address, port }
}

/** Returns the port of the service if another process prevents it from listening there; null otherwise. */
export async function takenPort(host: HostReader, ready: Readiness): Promise<number | null> {
  const wanted = listeningPort(host, ready)
  return wanted !== null && (await isPortTaken(host, wanted.port, wanted.host)) ? wanted.port : null
}

/** Returns the time limit of one check: the rest of a deadline, within bounds. */
export function checkTimeout(left: number, longest: number): Duration {
  return new Duration(Math.max(1000, Math.min(left, longest)))
}

/** Decides whether readiness has a check, and is not only a time to stay up. */
export function hasCheck(ready: Readiness | undefined): ready is CheckedReadiness {
  return ready !== undefined && ready.kind !== 'uptime'
}

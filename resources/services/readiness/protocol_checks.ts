/**
 * Checks php-fpm, HAProxy and Varnish, each by its own protocol: an open socket alone does not prove that a process
 * answers.
 */
import type { Endpoint, HostReader } from '../../../core/host/types.ts'
import { asConvergeError } from '../../../core/model/errors.ts'
import type { Duration } from '../../../core/model/units.ts'

/** FCGI_GET_VALUES of one variable: version 1, type 9, request 0, 17 bytes. A worker answers it and runs no script. */
const fastcgiRequest = '\x01\x09\0\0\0\x11\0\0\x0f\0FCGI_MPXS_CONNS'
/** FCGI_GET_VALUES_RESULT: version 1, type 10. */
const fastcgiAnswer = '\x01\x0a'
const fastcgiHeaderLength = 8

/**
 * Returns what is wrong with a FastCGI server; null if nothing. The kernel accepts connections even while all its
 * workers hang.
 */
export async function fastcgiProblem(host: HostReader, socketPath: string, timeout: Duration): Promise<string | null> {
  const request = { socketPath, text: fastcgiRequest, enough: fastcgiHeaderLength, timeout }
  const answer = await nullIfForbidden(() => host.querySocket(request))
  if (answer === null || answer.startsWith(fastcgiAnswer)) return null
  return `the process at ${socketPath} is not a FastCGI server`
}

/** Returns what is wrong with HAProxy, by its runtime socket; null if nothing. */
export async function haproxyProblem(host: HostReader, socketPath: string, timeout: Duration): Promise<string | null> {
  const answer = await nullIfForbidden(() => host.querySocket({ socketPath, text: 'show info\n', timeout }))
  if (answer === null || /^Name: HAProxy$/m.test(answer)) return null
  return `the process at ${socketPath} is not HAProxy`
}

/**
 * Returns what is wrong with Varnish; null if nothing. The VCL of the front end refuses to purge for this address (RFC
 * 5737), so Varnish answers without its backend.
 */
export async function varnishProblem(
  host: HostReader,
  { host: address, port }: Endpoint,
  timeout: Duration,
): Promise<string | null> {
  const headers = { 'X-Real-IP': '192.0.2.1' }
  const request = { host: address, port, method: 'PURGE', path: '/-readiness', headers, timeout, enough: 1024 }
  const answer = await host.request(request)
  return 'x-varnish' in answer.headers ? null : `the process at ${address}:${port} is not Varnish`
}

/** Returns the answer. Null if the account of the run may not use the socket: that proves nothing about the service. */
async function nullIfForbidden(ask: () => Promise<string>): Promise<string | null> {
  try {
    return await ask()
  } catch (error) {
    if (asConvergeError(error).code === 'EACCES') return null
    throw error
  }
}

/** Sends a request to an address that somebody has entered, but never to the console itself or its network link. */
import { lookup } from 'node:dns/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

export interface SafeRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface SafeAnswer {
  readonly status: number
  /** Whether the server says that it refuses only for now, because of too many requests. */
  readonly isLimited: boolean
  /** The first characters, to be compared and never shown. */
  readonly text: string
}

/** A delivery that failed. Its message holds no part of an address besides host and port: a path can be a secret. */
export class DeliveryFailure extends Error {
  /**
   * @param isFinal whether to send it again would fail again
   * @param remaining the recipients of a mail that have not got it; null: all
   */
  constructor(
    message: string,
    readonly isFinal: boolean,
    readonly remaining: string | null = null,
  ) {
    super(message)
  }
}

/** For the look-up, the connection and the answer together. */
const timeoutMs = 15_000
const maxAnswer = 4096

const refused = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  // Metadata services of Alibaba, Oracle and Azure; those of others are link-local.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['168.63.129.16', 32],
] as const)
  refused.addSubnet(network, bits, 'ipv4')
for (const [network, bits] of [
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8],
  // The metadata services of EC2 and of Google Cloud.
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  // Each can hold any IPv4 address.
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['2001::', 32],
  ['::', 96],
] as const)
  refused.addSubnet(network, bits, 'ipv6')

/** Decides whether notices may reach an address. @param permitted addresses that are permitted although they are refused */
export function isReachable(address: string, permitted: BlockList): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return isReachable(mapped, permitted)
  // Another spelling of such an address, as in ::ffff:7f00:1.
  if (/^::ffff:/i.test(address)) return false
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  const [bare = ''] = address.split('%')
  if (permitted.check(bare, family)) return true
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address.split('%')[0]) ?? [])
  return !refused.check(bare, family) && !own.includes(bare)
}

/** Sends a request, and follows no redirect. @throws DeliveryFailure */
export async function sendSafely(request: SafeRequest, permitted: BlockList): Promise<SafeAnswer> {
  const url = new URL(request.url)
  const signal = AbortSignal.timeout(timeoutMs)
  const target = await reachableAddress(url, permitted, signal)
  const { request: open } = url.protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new DeliveryFailure(`cannot reach ${url.host}: ${reason}`, false))
    const { method, headers, body } = request
    let isAnswered = false
    const sent = open(
      url,
      {
        method,
        agent: false,
        signal,
        headers: {
          'User-Agent': 'converge-console',
          ...headers,
          ...(body && { 'Content-Length': Buffer.byteLength(body) }),
        },
        // The address that was checked: a second look-up could give another one.
        lookup: (_, options, found) =>
          options.all ? found(null, [target]) : found(null, target.address, target.family),
      },
      (answer) => {
        isAnswered = true
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (more: string) => {
          text += more
          if (text.length > maxAnswer) answer.destroy()
        })
        const status = answer.statusCode ?? 0
        const isLimited = answer.headers['retry-after'] !== undefined || answer.headers['x-ratelimit-remaining'] === '0'
        const done = () => resolve({ status, isLimited, text: text.slice(0, maxAnswer) })
        answer.once('end', done)
        answer.once('close', done)
        answer.once('error', done)
      },
    )
    // Such an answer is neither a response nor an error.
    sent.once('upgrade', (_, socket) => {
      socket.destroy()
      fail('the answer changes the protocol (101)')
    })
    sent.once('error', (error: Error & { readonly code?: string }) =>
      fail(
        error.name === 'TimeoutError' || error.code === 'ABORT_ERR'
          ? `no answer within ${timeoutMs / 1000} s`
          : (error.code ?? error.message),
      ),
    )
    sent.once('close', () => {
      if (!isAnswered) fail('the connection was closed without an answer')
    })
    sent.end(body)
  })
}

async function reachableAddress(
  { hostname, host }: URL,
  permitted: BlockList,
  signal: AbortSignal,
): Promise<{ readonly address: string; readonly family: number }> {
  const name = hostname.replace(/^\[(.*)\]$/, '$1')
  const found = await untilAborted(lookup(name, { all: true }), signal).catch(
    (error: Error & { readonly code?: string }) => {
      const reason = signal.aborted ? `no answer within ${timeoutMs / 1000} s` : (error.code ?? error.message)
      throw new DeliveryFailure(`cannot resolve ${hostname}: ${reason}`, false)
    },
  )
  const forbidden = found.find(({ address }) => !isReachable(address, permitted))
  const [first] = found
  if (forbidden !== undefined || first === undefined)
    throw new DeliveryFailure(
      `${host} is an address of the console itself or of its network link; notices.permitted_addresses can permit it`,
      true,
    )
  return first
}

/** Waits for something that cannot be interrupted itself. @throws the reason of the signal if that comes first */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

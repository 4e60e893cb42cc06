/** Opens one SSH connection, detects its end, and forwards connections through it. */
import type { Duplex } from 'node:stream'
import type { AnyAuthMethod, Client } from 'ssh2'
import { ConvergeError } from '../../model/errors.ts'
import type { Algorithms } from './algorithms.ts'
import { Deadline } from './deadline.ts'
import { authFailed, connectFailed, connectionLost, noAnswer } from './failures.ts'
import type { HostKeyCheck } from './host_keys.ts'
import { asAgent, type OfferedKeys } from './identities.ts'
import { noCommonAlgorithm, OfferReader } from './negotiation.ts'
import type { OfferedKey } from './offered_key.ts'
import type { OnLost, Session, Stream } from './session_types.ts'
import type { Ssh2 } from './ssh2.ts'
import type { SshTarget } from './target.ts'

export interface Keepalive {
  /** Seconds between two keepalive messages. */
  readonly interval: number
  /** How many may stay without an answer. */
  readonly count: number
}

export interface HandshakeOptions {
  readonly target: SshTarget
  readonly check: HostKeyCheck
  readonly offers: OfferedKeys
  readonly algorithms: Algorithms
  /** All algorithms that ssh2 supports; it offers those in `algorithms`. */
  readonly supported: Algorithms
  readonly seconds: number
  readonly keepalive: Keepalive | undefined
}

export const defaultKeepalive: Keepalive = { interval: 5, count: 3 }

/** Verifies the host key, and logs in. */
export function handshake(ssh2: Ssh2, stream: Stream, options: HandshakeOptions): Promise<Session> {
  const { target, check, offers, seconds } = options
  const { interval, count } = options.keepalive ?? defaultKeepalive
  const client = new ssh2.Client()
  return new Promise((resolve, reject) => {
    let phase = 'the host sent no SSH greeting or key'
    let passphrase: unknown = null
    let isOver = false
    let isHostVerified = false
    const methods: string[] = []
    const acceptedMethods: string[] = []
    const signFailures: string[] = []
    const deadline = new Deadline(seconds * 1000, () => fail(noAnswer(target, seconds, phase)))
    const finish = (act: () => void) => {
      if (isOver) return
      isOver = true
      deadline.stop()
      act()
    }
    const fail = (error: unknown) =>
      finish(() => {
        reject(error)
        stream.destroy()
      })
    const tried = offers.offers.map(({ name }) => name)
    const agent = asAgent(ssh2, pauseWhileSigning(offers.offers, deadline), {
      // The host requests a signature only for a key that it accepts.
      signed: (name) => acceptedMethods.push(name),
      failed: (error) => {
        if (error instanceof ConvergeError) passphrase ??= error
        else signFailures.push((error as Error).message)
      },
    })
    const host = new OfferReader()
    const { user } = target
    const remainingMethods: AnyAuthMethod[] = [
      ...(tried.length > 0 ? [{ type: 'agent', username: user, agent } as const] : []),
      // Never succeeds, but makes the host list its authentication methods. ssh2 ignores that list after a key.
      { type: 'none', username: user },
    ]
    client.on('error', (error: Error & { level?: string }) => {
      // A key that could not sign: ssh2 tries the next one.
      if (error.level === 'agent') return
      const denied = error.level === 'client-authentication' || /authentication/i.test(error.message)
      // The message of ssh2 where the host has closed the connection.
      if (error.message === 'Connection lost before handshake') return fail(connectFailed(target, closedEarly))
      if (!denied) return fail(negotiationFailure(options, host.offer, error) ?? connectFailed(target, error))
      const hostMessage = error.level ? [] : [`the host says "${error.message}"`]
      fail(
        passphrase ??
          authFailed(target, {
            tried,
            taken: acceptedMethods,
            methods,
            notes: [...signFailures, ...offers.notes, ...hostMessage],
          }),
      )
    })
    client.once('close', () => fail(connectFailed(target, isHostVerified ? closedAtLogin : closedEarly)))
    const readOffer = (chunk: Buffer) => host.add(chunk)
    client.once('handshake', () => {
      stream.off('data', readOffer)
      isHostVerified = true
      phase = 'the host answers, but lets nobody in'
    })
    client.once('ready', () => {
      try {
        check.storeIfNew()
        finish(() => resolve(new OpenSession(target, client, stream, interval, count)))
      } catch (thrown) {
        fail(thrown)
      }
    })
    // This listener must come before the one of ssh2, which fails on the same chunk.
    stream.on('data', readOffer)
    client.connect({
      sock: stream,
      username: target.user,
      algorithms: namedAsSsh2(options.algorithms),
      hostVerifier: (key: Buffer, verified: (good: boolean) => void) => {
        // During a rekey, ssh2 continues to send while it waits. An accepted key must be confirmed immediately.
        if (check.isAccepted(key)) return verified(true)
        check.check(key).then(
          () => verified(true),
          (thrown) => {
            fail(thrown)
            verified(false)
          },
        )
      },
      authHandler: (allowed, _partial, next) => {
        if (allowed) methods.splice(0, methods.length, ...allowed)
        const method = remainingMethods.shift()
        // The types do not know that `false` ends the login.
        next(method ?? (false as never))
      },
      readyTimeout: 0,
      keepaliveInterval: interval * 1000,
      // OpenSession detects silence instead: on a slow link the answer to a keepalive message may wait behind other
      // data.
      keepaliveCountMax: Number.POSITIVE_INFINITY,
    })
  })
}

/** Converts the algorithms for the types of ssh2, which list names of an old version. */
const namedAsSsh2 = (algorithms: Algorithms) =>
  Object.fromEntries(Object.entries(algorithms).map(([kind, names]) => [kind, [...names]])) as never

function negotiationFailure(options: HandshakeOptions, host: Algorithms | null, error: Error): ConvergeError | null {
  const { target, algorithms: local, supported } = options
  return host && noCommonAlgorithm(target, { local, host, supported }, error)
}

/** Pauses the deadline while the operator types a passphrase. */
function pauseWhileSigning(offers: readonly OfferedKey[], deadline: Deadline): OfferedKey[] {
  return offers.map((offer) => ({
    key: offer.key,
    name: offer.name,
    sign: (data, hash) => deadline.whilePaused(() => offer.sign(data, hash)),
  }))
}

const closedAtLogin = new Error('the host has closed the connection before the login was done')
const closedEarly: NodeJS.ErrnoException = Object.assign(new Error('closed'), { code: 'ECONNRESET' })

class OpenSession implements Session {
  readonly closed: Promise<ConvergeError | null>
  lost: ConvergeError | null = null
  readonly target: SshTarget
  readonly client: Client
  private readonly stream: Stream
  private readonly listeners = new Set<(error: ConvergeError) => void>()
  private closing = false
  private settle: (end: ConvergeError | null) => void = () => undefined
  private silentIntervals = 0
  private readonly timer: NodeJS.Timeout

  constructor(target: SshTarget, client: Client, stream: Stream, interval: number, count: number) {
    this.target = target
    this.client = client
    this.stream = stream
    this.closed = new Promise((resolve) => {
      this.settle = resolve
    })
    client.on('error', (error) => this.end(error.message, error))
    client.once('close', () => this.end('the host has closed it'))
    stream.on('data', () => {
      this.silentIntervals = 0
    })
    this.timer = setInterval(() => {
      if (++this.silentIntervals > count) this.end(`the host has been silent for ${Math.round(interval * count)} s`)
    }, interval * 1000)
  }

  readonly onLost: OnLost = (listener) => {
    if (this.lost) listener(this.lost)
    else this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  forward(target: SshTarget, seconds: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const unsubscribe = this.onLost(reject)
      let hasTimedOut = false
      const timer = setTimeout(() => {
        hasTimedOut = true
        unsubscribe()
        reject(noAnswer(target, seconds, 'there is no answer'))
      }, seconds * 1000)
      if (this.lost) return clearTimeout(timer)
      this.client.forwardOut('127.0.0.1', 0, target.address, target.port, (error, channel) => {
        clearTimeout(timer)
        unsubscribe()
        if (error) reject(connectFailed(target, error))
        else if (hasTimedOut) channel.destroy()
        else resolve(channel)
      })
    })
  }

  async close(): Promise<void> {
    if (!this.closing && !this.lost) {
      this.closing = true
      this.client.end()
      // An unresponsive host does not close the connection either.
      const timer = setTimeout(() => this.end('closed here'), 2000)
      void this.closed.then(() => clearTimeout(timer))
    }
    await this.closed
  }

  private end(why: string, cause?: unknown): void {
    if (this.lost) return
    clearInterval(this.timer)
    this.lost = connectionLost(this.target, this.closing ? 'it was closed here' : why, cause)
    for (const listener of this.listeners) listener(this.lost)
    this.listeners.clear()
    this.settle(this.closing ? null : this.lost)
    this.stream.destroy()
  }
}

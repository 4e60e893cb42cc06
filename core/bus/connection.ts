/** Connects to the bus, and creates the streams and consumers, which can be made again at any time. */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node'
import type { BusDirectory } from './bus_directory.ts'
import { isMissing } from './missing.ts'
import { localAddress } from './server.ts'
import { certificateName, commandStream, hostToken, subjectsOf } from './subjects.ts'

export type { JetStreamClient, JetStreamManager, JsMsg } from '@nats-io/jetstream'
export type { NatsConnection } from '@nats-io/transport-node'

export interface BusLogin {
  readonly address: string
  readonly port: number
  /** PEM of the certificate of the bus. */
  readonly certificate: string
  /** Seed of the NKEY. */
  readonly seed: string
  /** Name of the connection, for the server's log. */
  readonly name: string
  readonly inboxPrefix?: string
  /** Whether to retry the first connection until it succeeds; default: false. */
  readonly waits?: boolean
}

/** Opens a connection that reconnects until it is closed. */
export async function connectBus(login: BusLogin): Promise<NatsConnection> {
  const { connect, nkeyAuthenticator } = await import('./nats.ts')
  const { address, port, certificate, seed, name, inboxPrefix, waits = false } = login
  // The library passes these to tls.connect(), though its types list fewer.
  const tls = { ca: certificate, servername: certificateName } as ConnectionOptions['tls']
  return connect({
    servers: [address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`],
    ...(tls === undefined ? {} : { tls }),
    name,
    authenticator: nkeyAuthenticator(Buffer.from(seed.trim())),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    timeout: 10_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    reconnectJitterTLS: 500,
    pingInterval: 10_000,
    maxPingOut: 2,
    waitOnFirstConnect: waits,
    // A host may be enrolled again: it keeps trying.
    ignoreAuthErrorAbort: waits,
    ignoreClusterUpdates: true,
  })
}

/** Connects as the control plane, from the computer of the bus. */
export function connectControl(directory: BusDirectory, name: string): Promise<NatsConnection> {
  const { listen, control } = directory.settings()
  return connectBus({
    address: localAddress(listen.host),
    port: listen.port,
    certificate: directory.certificate(),
    seed: control.seed,
    name,
  })
}

export interface Streams {
  readonly js: JetStreamClient
  readonly manager: JetStreamManager
}

export async function streamsOf(connection: NatsConnection): Promise<Streams> {
  const { jetstream, jetstreamManager } = await import('./nats.ts')
  return { js: jetstream(connection), manager: await jetstreamManager(connection, { checkAPI: false }) }
}

const nanoseconds = (seconds: number) => seconds * 1e9

/** How long the bus keeps a command that no host takes. Seconds. */
export const commandLifetime = 900

/** Creates the stream of commands where it is missing. */
export async function ensureStream({ manager }: Streams, stack: string): Promise<void> {
  const { DiscardPolicy, RetentionPolicy, StorageType } = await import('./nats.ts')
  await manager.streams.add({
    name: commandStream,
    subjects: [subjectsOf(stack).command('*')],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_age: nanoseconds(commandLifetime),
    max_bytes: 1 << 30,
    duplicate_window: nanoseconds(120),
  })
}

/** Seconds after which a command that a host has not mentioned again is sent to it again. */
export const acknowledgeWait = 60

/**
 * Messages that an agent takes at once, each of about 60 KB. They arrive within `acknowledgeWait` also over a slow link,
 * or the bus would send them again and again.
 */
export const fetchedMessages = 6

/** Creates the consumer of a host where it is missing: hosts may not create any. */
export async function ensureConsumer({ manager }: Streams, stack: string, host: string): Promise<void> {
  const { AckPolicy } = await import('./nats.ts')
  await manager.consumers.add(commandStream, {
    durable_name: hostToken(host),
    filter_subject: subjectsOf(stack).command(host),
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanoseconds(acknowledgeWait),
    max_deliver: -1,
    max_ack_pending: 1000,
  })
}

/** Removes the consumer of a host, and the commands that it has not taken. */
export async function removeConsumer({ manager }: Streams, stack: string, host: string): Promise<void> {
  try {
    await manager.consumers.delete(commandStream, hostToken(host))
    await manager.streams.purge(commandStream, { filter: subjectsOf(stack).command(host) })
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

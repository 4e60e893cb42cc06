/** Connects the control plane to its bus: stores commands of hosts, and hands their answers to those who wait for them. */
import type { BusDirectory } from '../../bus/bus_directory.ts'
import {
  connectControl,
  ensureConsumer,
  ensureStream,
  type NatsConnection,
  type Streams,
  streamsOf,
} from '../../bus/connection.ts'
import { type KeyPair, keyPairOf } from '../../bus/keys.ts'
import { type Subjects, subjectsOf } from '../../bus/subjects.ts'

type Listener = (message: Uint8Array) => void

/** The connection of the control plane to its bus. */
export class ControlBus {
  private readonly listeners = new Map<string, Set<Listener>>()
  private readonly reconnectListeners = new Set<() => void>()
  private prepared = new Map<string, Promise<void>>()
  private pending = new Set<Promise<unknown>>()

  private constructor(
    readonly connection: NatsConnection,
    private readonly streams: Streams,
    readonly stack: string,
    readonly keys: KeyPair,
    readonly subjects: Subjects,
  ) {
    connection.subscribe(subjects.answers, {
      callback: (error, { subject, data }) => {
        if (error === null) for (const listener of this.listeners.get(subject) ?? []) listener(data)
      },
    })
    void this.watch()
  }

  static async connect(directory: BusDirectory): Promise<ControlBus> {
    const { stack, control } = directory.settings()
    const connection = await connectControl(directory, 'rollout')
    return new ControlBus(
      connection,
      await streamsOf(connection),
      stack,
      await keyPairOf(control.seed),
      subjectsOf(stack),
    )
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type !== 'reconnect') continue
      // The bus may have lost what it stored.
      this.prepared.clear()
      for (const listener of this.reconnectListeners) listener()
    }
  }

  /** Creates the stream, and the consumer of a host, where they are missing. */
  prepare(host: string): Promise<void> {
    const known = this.prepared.get(host)
    if (known !== undefined) return known
    const work = ensureStream(this.streams, this.stack).then(() => ensureConsumer(this.streams, this.stack, host))
    this.prepared.set(host, work)
    work.catch(() => this.prepared.delete(host))
    return work
  }

  forget(host: string): void {
    this.prepared.delete(host)
  }

  on(subject: string, listener: Listener): () => void {
    const all = this.listeners.get(subject) ?? new Set()
    this.listeners.set(subject, all.add(listener))
    return () => {
      all.delete(listener)
      if (all.size === 0) this.listeners.delete(subject)
    }
  }

  onReconnect(listener: () => void): () => void {
    this.reconnectListeners.add(listener)
    return () => this.reconnectListeners.delete(listener)
  }

  /**
   * Stores a message for a host; the server has written it to the disk when the promise resolves.
   * @param messageId the bus drops another message with the same id; default: none
   */
  store(host: string, content: string, messageId?: string): Promise<void> {
    const options = messageId === undefined ? {} : { msgID: messageId }
    const stored = this.streams.js.publish(this.subjects.command(host), content, options).then(() => undefined)
    this.pending.add(stored)
    const done = () => this.pending.delete(stored)
    stored.then(done, done)
    return stored
  }

  publish(subject: string, content: string): void {
    if (!this.connection.isClosed()) this.connection.publish(subject, content)
  }

  async close(): Promise<void> {
    // Among them may be the message that releases a lock.
    await Promise.race([Promise.allSettled(this.pending), new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    await this.connection.close()
  }
}

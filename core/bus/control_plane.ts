/** The control plane of the agents: keeps the bus running, makes its streams, and enrols and revokes hosts. */
import type { Server } from 'node:https'
import { tryLock } from '../host/lock.ts'
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import type { BusDirectory } from './bus_directory.ts'
import {
  connectControl,
  ensureConsumer,
  ensureStream,
  type NatsConnection,
  removeConsumer,
  type Streams,
  streamsOf,
} from './connection.ts'
import { serveEnrolment } from './enrolment_server.ts'
import { BusServer, reloadServer, runningServer } from './server.ts'

export interface ControlOptions {
  readonly directory: BusDirectory
  /** The program nats-server. */
  readonly program: string
  readonly log: (line: string) => void
}

export interface ControlPlane {
  readonly serverPid: () => number | undefined
  stop(): Promise<void>
}

/**
 * Starts the bus and the enrolment of hosts; if one of them fails, nothing stays behind.
 * @throws CONTROL_RUNS if another process keeps the bus of this directory running
 * @throws NATS_NOT_STARTED, EADDRINUSE
 */
export async function startControlPlane(options: ControlOptions): Promise<ControlPlane> {
  const { directory } = options
  const attempt = tryLock(directory.lockFile, 'converge control')
  if (!('lock' in attempt))
    throw new ConvergeError(`a control plane already runs for this stack: process ${attempt.holder.pid}`, {
      code: 'CONTROL_RUNS',
      hint: 'use the one that runs, or end it first',
      usage: true,
    })
  const ends: (() => Promise<unknown> | unknown)[] = [() => attempt.lock.release()]
  const stop = async () => {
    for (const end of ends.reverse()) await end()
  }
  try {
    const serverPid = await startParts(options, ends)
    return { serverPid, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** @param ends receives what ends each part that has been started */
async function startParts(
  { directory, program, log }: ControlOptions,
  ends: (() => Promise<unknown> | unknown)[],
): Promise<() => number | undefined> {
  const server = new BusServer({ program, directory, log })
  ends.push(() => server.stop())
  await server.start()
  const connection = await connectControl(directory, 'control plane')
  ends.push(() => connection.close())
  const streams = await streamsOf(connection)
  const prepare = async () => {
    const { stack } = directory.settings()
    await ensureStream(streams, stack)
    for (const { host } of directory.hosts()) await ensureConsumer(streams, stack, host)
  }
  await prepare()
  void watch(connection, prepare, log)
  const enrolment = await serveEnrolment({
    directory,
    log,
    onEnrolled: async (host) => {
      reloadServer(directory)
      // While the bus restarts, this fails; the consumer is made when it is back.
      await ensureConsumer(streams, directory.settings().stack, host).catch((thrown) =>
        log(`the queue of ${host} is made later: ${asConvergeError(thrown).message}`),
      )
    },
  })
  ends.push(() => closed(enrolment))
  return () => server.pid
}

/** Makes the streams again after each restart of the server, which may have lost them. */
async function watch(connection: NatsConnection, prepare: () => Promise<void>, log: (line: string) => void) {
  for await (const { type } of connection.status())
    if (type === 'reconnect')
      await prepare().catch((thrown) => log(`the streams could not be made: ${asConvergeError(thrown).message}`))
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/**
 * Removes a host from the bus: the server disconnects it, and refuses it from now on.
 * @returns whether it was enrolled, or invited
 */
export async function revokeHost(directory: BusDirectory, host: string): Promise<boolean> {
  directory.requireOwner()
  directory.removeInvitations(host)
  const wasEnrolled = directory.removeHost(host)
  // Also if the file is right already: a command that was killed may not have told the server.
  reloadServer(directory, { always: true })
  if (runningServer(directory) === null) return wasEnrolled
  const connection = await connectControl(directory, 'revocation')
  try {
    const streams: Streams = await streamsOf(connection)
    await removeConsumer(streams, directory.settings().stack, host)
  } finally {
    await connection.close()
  }
  return wasEnrolled
}

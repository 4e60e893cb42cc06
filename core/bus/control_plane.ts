/** The control plane of the agents: keeps the bus running, makes its streams, and enrols and revokes hosts. */
import type { Server } from 'node:https'
import { asConvergeError } from '../model/errors.ts'
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

/** @throws NATS_NOT_STARTED, EADDRINUSE */
export async function startControlPlane({ directory, program, log }: ControlOptions): Promise<ControlPlane> {
  const server = new BusServer({ program, directory, log })
  await server.start()
  const connection = await connectControl(directory, 'control plane')
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
      await ensureConsumer(streams, directory.settings().stack, host)
    },
  })
  return {
    serverPid: () => server.pid,
    async stop() {
      await closed(enrolment)
      await connection.close()
      await server.stop()
    },
  }
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
  directory.removeInvitations(host)
  const wasEnrolled = directory.removeHost(host)
  reloadServer(directory)
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

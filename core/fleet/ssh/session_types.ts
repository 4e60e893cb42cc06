/** Defines the session of an SSH connection, and its stream. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Client } from 'ssh2'
import type { ConvergeError } from '../../model/errors.ts'
import type { SshTarget } from './target.ts'

/**
 * Registers a listener for the error that ends the connection.
 * @returns a function that removes it
 */
export type OnLost = (listener: (error: ConvergeError) => void) => () => void

export interface Session {
  readonly target: SshTarget
  readonly client: Client
  readonly closed: Promise<ConvergeError | null>
  readonly lost: ConvergeError | null
  readonly onLost: OnLost
  /**
   * Opens a channel to another host.
   * @throws CONNECT_FAILED
   */
  forward(target: SshTarget, seconds: number): Promise<Duplex>
  close(): Promise<void>
}

export type Stream = Socket | Duplex

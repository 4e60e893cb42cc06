/** Repeats work on a host whose connection was lost, until the host answers again. */
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'

/** Milliseconds between two attempts. */
export const retryPauseMs = 1_000

export interface ReconnectOptions {
  /** How long to retry. Seconds. */
  readonly patience: number
  /** Whether to repeat the work after this error; a lost connection is not enough if the work may not be repeated. */
  readonly mayRepeat: () => boolean
  readonly connection: (state: 'lost' | 'back', detail: string) => void
}

/**
 * Does the work again after a lost connection.
 * @param work opens a connection if there is none, and calls `connected` once it has one
 * @throws the last error of the work
 */
export async function withReconnects<T>(
  { patience, mayRepeat, connection }: ReconnectOptions,
  work: (connected: () => void) => Promise<T>,
): Promise<T> {
  let retryUntil: number | null = null
  const connected = () => {
    if (retryUntil !== null) connection('back', '')
    retryUntil = null
  }
  for (;;)
    try {
      return await work(connected)
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!isConnectionLost(error) || !mayRepeat()) throw error
      if (retryUntil === null) connection('lost', error.message)
      retryUntil ??= Date.now() + patience * 1000
      if (Date.now() >= retryUntil) throw error
      await new Promise((resolve) => setTimeout(resolve, retryPauseMs))
    }
}

/** Decides whether there is no connection. A host that accepts connections and does not answer is another failure. */
function isConnectionLost({ code }: ConvergeError): boolean {
  return code === 'CONNECT_FAILED' || code === 'CONNECTION_LOST'
}

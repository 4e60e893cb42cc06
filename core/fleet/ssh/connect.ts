/** Opens connections to hosts, shares connections to jump hosts, and asks the operator each question only once. */
import { ConvergeError } from '../../model/errors.ts'
import { offeredAlgorithms, supportedAlgorithms } from './algorithms.ts'
import { connectionLost, isRejected } from './failures.ts'
import { HostKeyCheck, type HostKeyPolicy, KnownHostFiles } from './host_keys.ts'
import { KeyRing, type Prompt } from './identities.ts'
import { type Input, type RemoteProcess, remoteProcess } from './remote_process.ts'
import { handshake, type Keepalive } from './session.ts'
import type { Session } from './session_types.ts'
import { openSocket, scanCertificates } from './socket.ts'
import { loadSsh2, ssh2Algorithms } from './ssh2.ts'
import type { SshTarget } from './target.ts'

export interface ConnectOptions extends HostKeyPolicy {
  /** Asks for the passphrase of a key; null: no terminal to ask on. */
  readonly prompt: Prompt | null
  /** Seconds until the login must be complete; default: those of ssh_config, else 20. */
  readonly connectTimeout?: number | undefined
  /** When a silent connection counts as lost; default: a check every 5 s, 3 of them without an answer. */
  readonly keepalive?: Keepalive | undefined
}

export interface Connection {
  readonly target: SshTarget
  /**
   * Runs a command in the account's shell, without a terminal.
   * @param input its standard input; left out: `stdin` stays open, and the caller must write to it and end it
   * @throws CONNECTION_LOST, COMMAND_REFUSED where the host allows no more sessions
   */
  exec(command: string, input?: Input): Promise<RemoteProcess>
  /** Resolves when the connection has ended: null where it was closed here, else CONNECTION_LOST. */
  readonly closed: Promise<ConvergeError | null>
  close(): Promise<void>
}

export interface Connector {
  /**
   * @throws CONNECT_FAILED, NO_COMMON_ALGORITHM, AUTH_FAILED, KEY_NOT_READABLE, KEY_PASSPHRASE, HOST_KEY_UNKNOWN,
   * HOST_KEY_CHANGED, HOST_KEY_REVOKED, HOST_CERTIFICATE_INVALID
   */
  connect(target: SshTarget): Promise<Connection>
  /** Closes all open connections. */
  close(): Promise<void>
}

/**
 * Creates the connector of a run of the program: all its connections share keys, passphrases, known hosts and jump
 * hosts. The connection to a jump host ends with the last connection through it.
 */
export function connector(options: ConnectOptions): Connector {
  const files = new KnownHostFiles()
  const jumps = new Map<string, JumpHost>()
  const open = new Set<Session>()
  let ring: KeyRing | undefined

  async function connect(target: SshTarget): Promise<Session> {
    const ssh2 = await loadSsh2()
    ring ??= new KeyRing(ssh2, options.prompt)
    const keys = ring
    const jump = target.jump ? jumpHost(target.jump) : null
    try {
      const via = jump ? await jump.session : null
      const seconds = options.connectTimeout ?? target.connectTimeout ?? 20
      const check = new HostKeyCheck(target, files, options, () => scanCertificates(target, via, seconds))
      const offers = await keys.offersFor(target)
      const library = await ssh2Algorithms()
      const algorithms = offeredAlgorithms(library, target.algorithms, await check.algorithms())
      const { keepalive } = options
      const session = await connectWithRetries(async () => {
        const stream = await openSocket(target, via, seconds)
        return handshake(ssh2, stream, {
          target,
          check,
          offers,
          algorithms,
          seconds,
          keepalive,
          supported: supportedAlgorithms(library),
        })
      })
      open.add(session)
      void session.closed.then(() => {
        open.delete(session)
        jump?.release()
      })
      return session
    } catch (thrown) {
      jump?.release()
      throw thrown
    }
  }

  /** Returns the connection to a jump host; opens another where the first was lost. */
  function jumpHost(target: SshTarget): JumpHost {
    const key = JSON.stringify(target)
    const known = jumps.get(key)
    const jump = known ?? new JumpHost(connect(target), () => jumps.get(key) === jump && jumps.delete(key))
    jumps.set(key, jump)
    jump.users++
    return jump
  }

  return {
    connect: async (target) => asConnection(await connect(target)),
    async close() {
      // The last connection through a jump host closes that one as well.
      while (open.size > 0) await Promise.all([...open].map((session) => session.close()))
    },
  }
}

/** Number of attempts: with too many logins under way (MaxStartups), sshd closes new connections without a message. */
const attempts = 4

async function connectWithRetries(connect: () => Promise<Session>): Promise<Session> {
  for (let attempt = 1; ; attempt++)
    try {
      return await connect()
    } catch (thrown) {
      if (attempt === attempts || !isRejected(thrown)) throw thrown
      // A random wait, so that rejected connections do not all return at the same moment.
      await new Promise((resolve) => setTimeout(resolve, 200 * attempt * (1 + Math.random())))
    }
}

class JumpHost {
  users = 0
  readonly session: Promise<Session>
  private readonly onUnusable: () => void

  /** @param onUnusable called when new connections may no longer use it */
  constructor(session: Promise<Session>, onUnusable: () => void) {
    this.session = session
    this.onUnusable = onUnusable
    session.then(({ closed }) => closed.then(onUnusable), onUnusable)
  }

  release(): void {
    if (--this.users > 0) return
    this.onUnusable()
    // Where it could not be opened, the connections through it have reported that.
    this.session.then(
      (session) => session.close(),
      () => undefined,
    )
  }
}

function asConnection(session: Session): Connection {
  const { target, client, closed, onLost } = session
  const exec = (command: string, input?: Input) =>
    new Promise<RemoteProcess>((resolve, reject) => {
      const forget = onLost(reject)
      if (session.lost) return
      try {
        client.exec(command, (error, channel) => {
          forget()
          if (error) reject(commandRefused(target, error))
          else resolve(remoteProcess(channel, input, onLost))
        })
      } catch (thrown) {
        // The host has closed the connection, but the event has not arrived yet.
        forget()
        reject(connectionLost(target, 'the host is closing it', thrown))
      }
    })
  return { target, exec, closed, close: () => session.close() }
}

const commandRefused = (target: SshTarget, error: Error) =>
  new ConvergeError(`${target.name}: the host does not run a command: ${error.message}`, {
    code: 'COMMAND_REFUSED',
    hint: 'raise MaxSessions in the sshd_config of the host to 3 or more, and let the account run commands there',
    cause: error,
  })

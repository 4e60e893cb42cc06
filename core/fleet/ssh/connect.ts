/** Connections to hosts: one for each, one for each jump host, with all that is asked of the operator asked once. */
import { ConvergeError } from '../../model/errors.ts'
import { HostKeyCheck, type HostKeyPolicy, KnownHostFiles } from './host_keys.ts'
import { KeyRing, type Prompt } from './identities.ts'
import { type Input, type RemoteProcess, remoteProcess } from './process.ts'
import { handshake, type Keepalive, type Session } from './session.ts'
import { openSocket, type Stream, scanCertificates } from './socket.ts'
import { loadSsh2 } from './ssh2.ts'
import type { SshTarget } from './target.ts'

export interface ConnectOptions extends HostKeyPolicy {
  /** Asks for the passphrase of a key; null: there is nobody to ask. */
  readonly prompt: Prompt | null
  /** Seconds until a host has to let the operator in; default: what ssh_config says, else 20. */
  readonly connectTimeout?: number | undefined
  /** When a silent connection counts as lost; default: every 5 s, after 3 times without an answer. */
  readonly keepalive?: Keepalive | undefined
}

export interface Connection {
  readonly target: SshTarget
  /**
   * Runs a command by the account's shell, without a terminal.
   * @param input its standard input; left out: it stays open, and `stdin` is to be written to and ended
   * @throws CONNECTION_LOST, COMMAND_REFUSED where the host allows no more sessions
   */
  exec(command: string, input?: Input): Promise<RemoteProcess>
  /** When the connection has ended: null where it was closed here, else CONNECTION_LOST. */
  readonly closed: Promise<ConvergeError | null>
  close(): Promise<void>
}

export interface Connector {
  /**
   * @throws CONNECT_FAILED, AUTH_FAILED, KEY_NOT_READABLE, KEY_PASSPHRASE, HOST_KEY_UNKNOWN, HOST_KEY_CHANGED,
   *   HOST_KEY_REVOKED, HOST_CERTIFICATE_INVALID
   */
  connect(target: SshTarget): Promise<Connection>
  /** Closes what is still open, jump hosts last. */
  close(): Promise<void>
}

/** What one run of the program connects with: keys, passphrases, known hosts and jump hosts are shared by all its connections. */
export function connector(options: ConnectOptions): Connector {
  const files = new KnownHostFiles()
  const jumps = new Map<string, Promise<Session>>()
  const open = new Set<Session>()
  let ring: KeyRing | undefined

  async function connect(target: SshTarget): Promise<Session> {
    const ssh2 = await loadSsh2()
    ring ??= new KeyRing(ssh2, options.prompt)
    const keys = ring
    const via = target.jump ? await jumpHost(target.jump) : null
    const seconds = options.connectTimeout ?? target.connectTimeout ?? 20
    const check = new HostKeyCheck(target, files, options, () => scanCertificates(target, via, seconds))
    const offers = await keys.offersFor(target)
    const algorithms = await check.algorithms()
    const stream: Stream = await openSocket(target, via, seconds)
    const session = await handshake(ssh2, stream, {
      target,
      check,
      offers,
      algorithms,
      seconds,
      keepalive: options.keepalive,
    })
    open.add(session)
    void session.closed.then(() => open.delete(session))
    return session
  }

  /** The one connection to a jump host, made again where it was lost. */
  function jumpHost(target: SshTarget): Promise<Session> {
    const key = JSON.stringify(target)
    const known = jumps.get(key)
    if (known) return known
    const made = connect(target)
    jumps.set(key, made)
    const forget = () => {
      if (jumps.get(key) === made) jumps.delete(key)
    }
    made.then((session) => session.closed.then(forget), forget)
    return made
  }

  return {
    async connect(target) {
      const session = await connect(target)
      return asConnection(session)
    },
    async close() {
      const ofJumps = await Promise.allSettled(jumps.values())
      const last = new Set(ofJumps.flatMap((made) => (made.status === 'fulfilled' ? [made.value] : [])))
      await Promise.all([...open].filter((session) => !last.has(session)).map((session) => session.close()))
      await Promise.all([...last].map((session) => session.close()))
    },
  }
}

function asConnection(session: Session): Connection {
  const { target, client, closed, onLost } = session
  const exec = (command: string, input?: Input) =>
    new Promise<RemoteProcess>((resolve, reject) => {
      const forget = onLost(reject)
      if (session.lost) return
      client.exec(command, (error, channel) => {
        forget()
        if (error) reject(refused(target, error))
        else resolve(remoteProcess(channel, input, onLost))
      })
    })
  return { target, exec, closed, close: () => session.close() }
}

const refused = (target: SshTarget, error: Error) =>
  new ConvergeError(`${target.name}: the host does not run a command: ${error.message}`, {
    code: 'COMMAND_REFUSED',
    hint: 'look at MaxSessions and ForceCommand in its sshd_config, and at the shell of the account',
    cause: error,
  })

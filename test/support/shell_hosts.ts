/** Simulates fleet hosts by local shells, each below its own directory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { Test } from 'tap'
import { HostConnection } from '../../core/fleet/remote/host_connection.ts'
import { RemoteHost, type RemoteHostOptions } from '../../core/fleet/remote/remote_host.ts'
import type { RemoteProcess, SshTransport, Sudo } from '../../core/fleet/remote/ssh_transport.ts'
import { ConvergeError } from '../../core/model/errors.ts'

/** The properties of a host that a test can change during its use. */
export interface Shell {
  /** Commands that the startup files of the account run before each command. */
  startup: string
  /** Words before the shell, such as nsenter; default: none. */
  through: readonly string[]
  /** The PATH of the shell; default: that of the test. */
  path: string | undefined
  /** Answers to commands that contain the key; such commands are not run. */
  answers: Readonly<Record<string, string>>
  /** Called with each command before it runs. */
  before: (command: string) => void | Promise<void>
  /** Whether the host refuses connections. */
  isDown: boolean
  readonly children: Set<ChildProcess>
}

export const shell = (change: Partial<Shell> = {}): Shell => ({
  children: new Set(),
  startup: '',
  through: [],
  path: undefined,
  answers: {},
  before: () => undefined,
  isDown: false,
  ...change,
})

/** Ends all connections to a host, and refuses new ones. */
export function disconnect(host: Shell): void {
  host.isDown = true
  for (const child of host.children) child.kill('SIGKILL')
}

function transportTo(t: Test, host: Shell): SshTransport {
  let lose: (error: ConvergeError) => void = () => undefined
  const closed = new Promise<ConvergeError>((resolve) => {
    lose = resolve
  })
  return {
    closed,
    close: () => lose(new ConvergeError('connection closed', { code: 'CONNECTION_LOST' })),
    async exec(command): Promise<RemoteProcess> {
      await host.before(command)
      const lost = new ConvergeError('connection lost', { code: 'CONNECTION_LOST' })
      if (host.isDown) {
        lose(lost)
        throw lost
      }
      const answer = Object.entries(host.answers).find(([part]) => command.includes(part))?.[1]
      const script = answer === undefined ? `exec ${command}` : `printf '\\n%s\\n' 'converge: begins' '${answer}'`
      const [program = '', ...args] = [...host.through, '/bin/sh', '-c', `${host.startup}\n${script}`]
      const { NODE_OPTIONS, ...environment } = process.env
      const child = spawn(program, args, { env: { ...environment, PATH: host.path ?? environment.PATH } })
      host.children.add(child)
      t.teardown(() => child.kill('SIGKILL'))
      const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) =>
        child.once('close', (code, signal) => {
          if (!host.isDown) return resolve({ code, signal })
          lose(lost)
          reject(lost)
        }),
      )
      ended.catch(() => undefined)
      return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, close: () => child.kill() }
    },
  }
}

/** Connects to a host; throws an error if it is down. */
export async function open(t: Test, host: Shell): Promise<SshTransport> {
  if (host.isDown) throw new ConvergeError('connection refused', { code: 'CONNECT_FAILED' })
  return transportTo(t, host)
}

interface ConnectionChange {
  readonly name?: string
  readonly rollout?: string
  readonly sudo?: Sudo
}

export function connectionTo(t: Test, host: Shell, state: string, change: ConnectionChange = {}): HostConnection {
  const { name = 'web1', rollout = 'deploy-1', sudo = 'none' } = change
  const link = new HostConnection({ name, rollout, sudo, by: 'ann', open: () => open(t, host) }, state)
  t.teardown(() => link.close())
  return link
}

/** @param engine text of the program that the host runs */
export function hostAt(
  t: Test,
  host: Shell,
  prefix: string,
  engine: string,
  change: Partial<RemoteHostOptions> = {},
): RemoteHost {
  const remoteHost = new RemoteHost({
    name: 'web1',
    stack: 'site',
    prefix,
    rollout: 'deploy-1',
    by: 'ann',
    sudo: 'none',
    recipes: null,
    secrets: [],
    patience: 1,
    open: () => open(t, host),
    engine: new Map([['start.cjs', { content: Buffer.from(engine) }]]),
    runtimes: { cacheDirectory: `${prefix}/cache`, programs: {} },
    step: () => undefined,
    connection: () => undefined,
    ...change,
  })
  t.teardown(() => remoteHost.close())
  return remoteHost
}

/** A request for a setup without roles. */
export const setupRequest = {
  command: { kind: 'events', events: ['setup'] },
  roles: [],
  documents: [{ name: 'n', kind: 'stack', value: {} }],
  isDryRun: false,
} as const

/** Lists the engine's directories on a host, without those of Node. */
export const enginesAt = (prefix: string): string[] =>
  readdirSync(`${prefix}/usr/local/lib/converge`)
    .filter((name) => name.startsWith('engine-'))
    .map((name) => `${prefix}/usr/local/lib/converge/${name}`)

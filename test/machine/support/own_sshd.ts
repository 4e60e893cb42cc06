/** Runs an sshd for a test on a local port, and makes operators with their own home directories that connect to it. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type ConnectOptions, type Connector, connector } from '../../../core/fleet/ssh/connect.ts'
import type { NewHost } from '../../../core/fleet/ssh/host_keys.ts'
import { type HostAddress, resolveTarget, type SshTarget } from '../../../core/fleet/ssh/target.ts'
import { readUserConfig } from '../../../core/fleet/ssh/user_config.ts'
import { freePort, type Owner, scratch } from '../../support/machine.ts'
import { until } from '../../support/wait_until.ts'
import { type Key, newKey } from './ssh_keys.ts'

export interface OwnSshd {
  readonly port: number
  /** `[127.0.0.1]:PORT`, as in known_hosts. */
  readonly name: string
  readonly hostKey: Key
  readonly log: () => string
  /** Its processes, one for each connection. */
  readonly sessions: () => number[]
}

export interface SshdOptions {
  readonly hostKeys?: readonly Key[]
  /** Public keys that may log in as root. */
  readonly authorized: readonly Key[]
  readonly lines?: readonly string[]
}

export async function ownSshd(t: Owner, { hostKeys, authorized, lines = [] }: SshdOptions): Promise<OwnSshd> {
  const directory = scratch(t)
  const port = await freePort()
  const keys = hostKeys ?? [await newKey(join(directory, 'host_key'))]
  const [hostKey] = keys
  if (!hostKey) throw new Error('an sshd needs a key')
  // sshd requires the directory, though it uses it only for other accounts.
  mkdirSync('/run/sshd', { recursive: true })
  writeFileSync(join(directory, 'authorized'), authorized.map(({ line }) => `${line}\n`).join(''))
  const fixedLines = ['PidFile none', 'UsePAM no', 'StrictModes no', 'ListenAddress 127.0.0.1', `Port ${port}`]
  const config = [
    ...fixedLines,
    `AuthorizedKeysFile ${directory}/authorized`,
    ...keys.map(({ file }) => `HostKey ${file}`),
    ...lines,
  ]
  writeFileSync(join(directory, 'config'), `${config.join('\n')}\n`)
  const args = [
    '-u',
    'NODE_OPTIONS',
    '/usr/sbin/sshd',
    '-D',
    '-f',
    join(directory, 'config'),
    '-E',
    join(directory, 'log'),
  ]
  const sshd = spawn('env', args, { stdio: 'ignore' })
  t.teardown(() => sshd.kill('SIGKILL'))
  await until(() => answers(port), `an sshd on port ${port}`, 20)
  const sessions = () => readFileSync(`/proc/${sshd.pid}/task/${sshd.pid}/children`, 'utf8').split(' ').filter(Boolean)
  return {
    port,
    name: `[127.0.0.1]:${port}`,
    hostKey,
    log: () => readFileSync(join(directory, 'log'), 'utf8'),
    sessions: () => sessions().map(Number),
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
    socket.once('error', () => resolve(false))
    socket.once('data', () => socket.destroy())
  })
}

export interface Operator {
  readonly home: string
  /** A key at ~/.ssh/id_ed25519, which ssh uses by default. */
  readonly key: Key
  readonly newHosts: NewHost[]
  /** The prompts so far, in order. */
  readonly requestLog: string[]
  /** Replaces the content of ~/.ssh/known_hosts. */
  setKnownHosts(...lines: readonly string[]): void
  readonly knownHosts: string
  setConfig(text: string): void
  target(sshd: Pick<OwnSshd, 'port'>, host?: Partial<HostAddress>): Promise<SshTarget>
  /** Makes a connector whose connections are closed at the end of the test. */
  connector(options?: Partial<ConnectOptions>): Connector
}

/** @param answers the input at each prompt, in order; null: there is no terminal */
export async function operator(
  t: Owner,
  { answers, agent = null }: { readonly answers?: readonly string[]; readonly agent?: string | null } = {},
): Promise<Operator> {
  const home = scratch(t)
  mkdirSync(join(home, '.ssh'), { mode: 0o700 })
  const key = await newKey(join(home, '.ssh/id_ed25519'))
  const knownHosts = join(home, '.ssh/known_hosts')
  const newHosts: NewHost[] = []
  const requestLog: string[] = []
  const left = [...(answers ?? [])]
  const prompt = async (question: string) => {
    requestLog.push(question)
    return left.shift() ?? ''
  }
  return {
    home,
    key,
    newHosts,
    requestLog,
    knownHosts,
    setKnownHosts: (...lines) => writeFileSync(knownHosts, lines.map((line) => `${line}\n`).join('')),
    setConfig: (text) => writeFileSync(join(home, '.ssh/config'), text),
    async target({ port }, host = {}) {
      const config = await readUserConfig({ home, user: 'root', agent, systemFile: join(home, 'none') })
      return resolveTarget({ name: 'web1', address: '127.0.0.1', port, ...host }, config)
    },
    connector(options = {}) {
      const connection = connector({
        hostKeys: 'strict',
        onNewHost: (host) => newHosts.push(host),
        prompt: answers ? prompt : null,
        ...options,
      })
      t.teardown(() => connection.close())
      return connection
    },
  }
}

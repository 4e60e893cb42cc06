/** Starts database servers of a test's own, each with its data and socket in a scratch directory. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { directoryOf, scratch } from '../../support/machine.ts'

function runAs(t: Test, argv: readonly string[], user: string): string {
  const [program = '', ...args] = argv
  const { status, stdout, stderr } = spawnSync('runuser', ['-u', user, '--', program, ...args], { encoding: 'utf8' })
  if (status !== 0) t.fail(`${argv.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

function startServer(t: Test, argv: readonly string[], user: string): { ended(): boolean } {
  const child = spawn('runuser', ['-u', user, '--', ...argv], { stdio: 'ignore', detached: true })
  let ended = false
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      ended = true
      resolve()
    }),
  )
  t.teardown(async () => {
    if (!ended && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    await gone
  })
  return { ended: () => ended }
}

async function waitForPath(t: Test, path: string, server: { ended(): boolean }): Promise<void> {
  while (!existsSync(path) && !server.ended()) await sleep(20)
  if (server.ended()) t.fail(`the server has ended before it made ${path}`)
}

export interface PostgresqlServer {
  /** Directory of the socket. */
  readonly socket: string
  readonly log: () => string
}

/** Starts the newest PostgreSQL of the system. Roles other than postgres log in with a password. */
export async function postgresqlServer(t: Test): Promise<PostgresqlServer> {
  const [version = ''] = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  const programs = `/usr/lib/postgresql/${version}/bin`
  const socket = directoryOf(scratch(t), 'postgresql', 'postgres')
  const data = `${socket}/data`
  runAs(t, [`${programs}/initdb`, '--no-sync', '--auth-local=peer', '--locale=C.UTF-8', '-D', data], 'postgres')
  const settings = {
    listen_addresses: '',
    unix_socket_directories: socket,
    fsync: 'off',
    log_statement: 'all',
    logging_collector: 'on',
    log_directory: socket,
    log_filename: 'log',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const rules = 'local all postgres peer\nlocal all all scram-sha-256\n'
  spawnSync('tee', [`${data}/pg_hba.conf`], { input: rules })
  const server = startServer(t, [`${programs}/postgres`, '-D', data, ...options], 'postgres')
  await waitForPath(t, `${socket}/.s.PGSQL.5432.lock`, server)
  while (spawnSync('pg_isready', ['-q', '-h', socket]).status !== 0 && !server.ended()) await sleep(20)
  return { socket, log: () => readFileSync(`${socket}/log`, 'utf8') }
}

export interface MariadbServer {
  readonly socket: string
  readonly log: () => string
}

/**
 * Starts MariaDB, whose user root logs in by the socket.
 * @param port at 127.0.0.1; default: the socket only
 * @param settings options of mariadbd
 */
export async function mariadbServer(t: Test, port?: number, settings: readonly string[] = []): Promise<MariadbServer> {
  const directory = directoryOf(scratch(t), 'mysql', 'mysql')
  const [data, socket, log] = [`${directory}/data`, `${directory}/socket`, `${directory}/log`]
  const dataOptions = ['--no-defaults', `--datadir=${data}`]
  const root = '--auth-root-authentication-method=socket'
  runAs(t, ['mariadb-install-db', ...dataOptions, '--skip-test-db', root, '--auth-root-socket-user=root'], 'mysql')
  const network = port === undefined ? ['--skip-networking'] : ['--bind-address=127.0.0.1', `--port=${port}`]
  const quick = [...network, ...settings, '--innodb-flush-log-at-trx-commit=0', '--skip-log-bin']
  const options = [`--socket=${socket}`, `--pid-file=${directory}/pid`, '--general-log', `--general-log-file=${log}`]
  const server = startServer(t, ['mariadbd', ...dataOptions, ...quick, ...options], 'mysql')
  await waitForPath(t, socket, server)
  while (spawnSync('mariadb-admin', ['--no-defaults', `--socket=${socket}`, 'ping']).status !== 0 && !server.ended())
    await sleep(20)
  return { socket, log: () => readFileSync(log, 'utf8') }
}

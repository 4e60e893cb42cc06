/** Runs SQL on a MariaDB server of this host as its user root, who logs in by the socket without a password. */
import * as z from 'zod'
import type { CommandOptions, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { absolutePath, minutes } from '../../core/model/units.ts'
import { requireNoPlannedStart } from '../services/planned_start.ts'

const usualSocket = '/run/mysqld/mysqld.sock'

/** Properties that select a server of the host. */
export const mysqlServerProps = {
  socket: absolutePath.default(usualSocket).describe('Socket of the server'),
}

export interface MysqlServer {
  readonly socket: string
}

/** A name of a database or a user: at most 64 characters. */
export const mysqlNameProp = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}]*[^\p{Cc}\s]$/u, { error: 'a name without control characters and without a blank at its end' })

/** Returns the end of a key: nothing for the usual server of a host. */
export function mysqlServerSuffix({ socket }: MysqlServer): string {
  return socket === usualSocket ? '' : ` at ${socket}`
}

/** Returns the lines that a query gives. */
export async function queryLines(host: HostReader, server: MysqlServer, sql: string): Promise<string[]> {
  const argv = commandFor(host, server)
  const { stdout } = await reachable(server, () => host.query(argv, optionsFor(sql)))
  return stdout.split('\n').filter((line) => line !== '')
}

/** Runs statements, one after the other; the first that fails ends them. */
export async function runStatements(host: Host, server: MysqlServer, statements: readonly string[]): Promise<void> {
  if (statements.length === 0) return
  const argv = commandFor(host, server)
  const sql = statements.map((statement) => `${statement};\n`).join('')
  await reachable(server, () => host.run(argv, { ...optionsFor(sql), timeout: minutes(30) }))
}

function commandFor(host: HostReader, { socket }: MysqlServer): string[] {
  const program = host.which('mariadb') ?? host.which('mysql')
  if (program === null)
    throw new ConvergeError('MariaDB is not installed: there is no program mariadb on this host', {
      code: 'NO_PROGRAM',
      hint: "declare it before this: packages(r, { names: ['mariadb-server'] })",
    })
  if (host.stat(socket) === null) {
    requireNoPlannedStart(host)
    throw noServer(`there is no socket ${socket}`)
  }
  // Binary mode: nothing in the statements is a command of the program itself.
  const plain = ['--batch', '--raw', '--skip-column-names', '--binary-mode', '--default-character-set=utf8mb4']
  return [program, '--no-defaults', '--protocol=socket', `--socket=${socket}`, '--user=root', ...plain]
}

/** The statements come by standard input: other accounts can read the words of a command. */
function optionsFor(sql: string): CommandOptions {
  return { user: 'root', input: `SET SESSION sql_mode = 'STRICT_ALL_TABLES';\n${sql}` }
}

function noServer(reason: string, cause?: unknown): ConvergeError {
  return new ConvergeError(`MariaDB does not run: ${reason}`, {
    code: 'NO_SERVER',
    hint: "start it before this, service(r, { name: 'mariadb' }), or correct the property socket",
    cause,
  })
}

async function reachable<T>({ socket }: MysqlServer, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof ConvergeError)) throw error
    const number = /^ERROR (\d+) /m.exec(error.output ?? '')?.[1]
    if (number === '2002') throw noServer(`nothing answers at ${socket}`, error)
    if (number !== '1045' && number !== '1698') throw error
    throw new ConvergeError('MariaDB does not let root log in by the socket', {
      code: 'ACCESS_DENIED',
      output: error.output,
      hint: 'log in to MariaDB with the password of root, and run: ALTER USER root@localhost IDENTIFIED VIA unix_socket',
      cause: error,
    })
  }
}

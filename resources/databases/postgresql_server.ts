/** Runs SQL on a PostgreSQL server of this host with psql, as the account of the server, over its socket. */
import * as z from 'zod'
import type { CommandOptions, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { absolutePath, minutes } from '../../core/model/units.ts'
import { psqlSet } from '../../core/text/psql.ts'
import { accountName } from '../accounts/account_files.ts'
import { requireNoPlannedStart } from '../services/planned_start.ts'

/** A name of PostgreSQL, whose limit is 63 bytes. */
export const postgresqlName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 63 && !/\p{Cc}/u.test(name), {
    error: 'a name of at most 63 bytes without control characters',
  })

/** Properties that select a server of the host. */
export const serverProps = {
  port: z.int().min(1).max(65_535).default(5432).describe('Port of the server, which its socket is named after'),
  socket: absolutePath.default('/var/run/postgresql').describe('Directory of its socket'),
  account: accountName.default('postgres').describe('Account that runs psql, and its role, which must be a superuser'),
}

export interface Server {
  readonly port: number
  readonly socket: string
  readonly account: string
}

/** Returns the end of a key: nothing for the usual server of a host. */
export function serverSuffix({ port, socket }: Server): string {
  if (socket !== '/var/run/postgresql') return ` at ${socket}:${port}`
  return port === 5432 ? '' : ` at port ${port}`
}

/** SQL with the values that it names as :'name' and :"name". No value is ever part of the SQL. */
export interface Sql {
  /** Default: `postgres`. */
  readonly database?: string | undefined
  readonly statements: string
  readonly values: Readonly<Record<string, string | undefined>>
}

/**
 * Reads one value of JSON.
 * @returns null where the query gives no row
 */
export async function readJson<T>(host: HostReader, server: Server, schema: z.ZodType<T>, sql: Sql): Promise<T | null> {
  requireServer(host, server)
  const { stdout } = await reachable(server, () => host.query(command(server), optionsOf(server, sql)))
  return stdout.trim() === '' ? null : schema.parse(JSON.parse(stdout))
}

/** Runs statements, one after the other; the first that fails ends them. */
export async function runSql(host: Host, server: Server, sql: Sql): Promise<void> {
  requireServer(host, server)
  await reachable(server, () => host.run(command(server), { ...optionsOf(server, sql), timeout: minutes(30) }))
}

/** Runs statements of which all have their effect, or none. */
export function runTransaction(host: Host, server: Server, sql: Sql): Promise<void> {
  return runSql(host, server, { ...sql, statements: `BEGIN;\n${sql.statements}\nCOMMIT;` })
}

/** Everything else comes by standard input: other accounts can read the words of a command. */
function command({ socket, port, account }: Server): string[] {
  const quiet = ['--no-psqlrc', '--no-password', '--quiet', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1']
  return ['psql', ...quiet, `--host=${socket}`, `--port=${port}`, `--username=${account}`, '--file=-']
}

function optionsOf({ account }: Server, { database = 'postgres', statements, values }: Sql): CommandOptions {
  const set = Object.entries(values).map(([name, text]) => (text === undefined ? '' : psqlSet(name, text)))
  return {
    user: account,
    // In the arguments, a name with an equals sign would be a connection string.
    environment: {
      PGDATABASE: database,
      PGCLIENTENCODING: 'UTF8',
      PGOPTIONS: '-c lc_messages=C',
      PGCONNECT_TIMEOUT: '20',
    },
    input: `${set.join('')}${statements}\n`,
  }
}

function requireServer(host: HostReader, { socket, port }: Server): void {
  if (host.which('psql') === null)
    throw new ConvergeError('PostgreSQL is not installed: there is no program psql on this host', {
      code: 'NO_PROGRAM',
      hint: "declare it before this: packages(r, { names: ['postgresql'] })",
    })
  const path = `${socket}/.s.PGSQL.${port}`
  if (host.stat(path) !== null) return
  requireNoPlannedStart(host)
  throw new ConvergeError(`PostgreSQL does not run: there is no socket ${path}`, {
    code: 'NO_SERVER',
    hint: notRunning,
  })
}

const notRunning = "start it before this, service(r, { name: 'postgresql' }), or correct the properties port and socket"

async function reachable<T>({ socket, port }: Server, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (
      !(error instanceof ConvergeError) ||
      !/connection to server on socket .* failed: .*refused/.test(error.output ?? '')
    )
      throw error
    throw new ConvergeError(`PostgreSQL does not answer at ${socket}/.s.PGSQL.${port}: connection refused`, {
      code: 'NO_SERVER',
      hint: notRunning,
      cause: error,
    })
  }
}

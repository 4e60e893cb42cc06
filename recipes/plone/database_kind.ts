/** What converge knows about the kinds of SQL databases that RelStorage supports. */

export interface DatabaseKind {
  /** Egg of the driver. */
  readonly driver: string
  /** The same for Python 2, where that is another one. */
  readonly python2Driver?: string
  readonly port: number
  /** Package of the distribution that the driver is compiled with; null for a library that no distribution has. */
  readonly headers: string | null
  /** Words of a connection string; null where converge cannot write one. */
  readonly dsn: Readonly<Record<'name' | 'host' | 'port' | 'user' | 'password', string>> | null
}

const postgres: DatabaseKind = {
  driver: 'psycopg2',
  port: 5432,
  headers: 'libpq-dev',
  dsn: { name: 'dbname', host: 'host', port: 'port', user: 'user', password: 'password' },
}

const mysql: DatabaseKind = {
  driver: 'mysqlclient',
  python2Driver: 'MySQL-python',
  port: 3306,
  headers: 'default-libmysqlclient-dev',
  dsn: { name: 'db', host: 'host', port: 'port', user: 'user', password: 'passwd' },
}

const oracle: DatabaseKind = { driver: 'cx_Oracle', port: 1521, headers: null, dsn: null }

/** By the words that RelStorage and OpsWorks use; `mysql2` is the adapter that OpsWorks names for MySQL. */
const kinds: ReadonlyMap<string, DatabaseKind> = new Map([
  ['postgres', postgres],
  ['postgresql', postgres],
  ['mysql', mysql],
  ['mysql2', mysql],
  ['oracle', oracle],
])

/** @param type without one the database is PostgreSQL; undefined is returned for a kind that converge does not know */
export function databaseKind(type: string | null | undefined): DatabaseKind | undefined {
  return kinds.get((type || 'postgres').toLowerCase())
}

/** A value of a connection string, in quotes where its blanks or signs need them. */
export function dsnValue(value: unknown): string {
  const text = String(value)
  return /^[^\s'\\]+$/.test(text) ? text : `'${text.replace(/['\\]/g, '\\$&')}'`
}

/** Lists the kinds of SQL databases that RelStorage supports, with their drivers and connection strings. */

export interface DatabaseKind {
  /** Egg of the driver. */
  readonly driver: string
  /** Egg of the driver for Python 2, if it differs. */
  readonly python2Driver?: string
  readonly port: number
  /** Debian package with the headers of the driver; null for a library that no distribution has. */
  readonly headers: string | null
  /** Debian package with the programs that back it up; null for a kind that converge does not back up. */
  readonly client: string | null
  /** Keywords of a connection string; null if converge cannot write one. */
  readonly dsn: Readonly<Record<'name' | 'host' | 'port' | 'user' | 'password', string>> | null
}

const postgres: DatabaseKind = {
  driver: 'psycopg2',
  port: 5432,
  headers: 'libpq-dev',
  client: 'postgresql-client',
  dsn: { name: 'dbname', host: 'host', port: 'port', user: 'user', password: 'password' },
}

const mysql: DatabaseKind = {
  driver: 'mysqlclient',
  python2Driver: 'MySQL-python',
  port: 3306,
  headers: 'default-libmysqlclient-dev',
  client: 'default-mysql-client',
  dsn: { name: 'db', host: 'host', port: 'port', user: 'user', password: 'passwd' },
}

const oracle: DatabaseKind = { driver: 'cx_Oracle', port: 1521, headers: null, client: null, dsn: null }

/** The kinds by their names in RelStorage and OpsWorks; `mysql2` is OpsWorks' adapter for MySQL. */
const kinds: ReadonlyMap<string, DatabaseKind> = new Map([
  ['postgres', postgres],
  ['postgresql', postgres],
  ['mysql', mysql],
  ['mysql2', mysql],
  ['oracle', oracle],
])

/** @param type default: PostgreSQL @returns undefined for an unknown kind */
export function databaseKind(type: string | null | undefined): DatabaseKind | undefined {
  return kinds.get((type || 'postgres').toLowerCase())
}

/** Formats a value of a connection string, in quotes if its characters require them. */
export function dsnValue(value: unknown): string {
  const text = String(value)
  return /^[^\s'\\]+$/.test(text) ? text : `'${text.replace(/['\\]/g, '\\$&')}'`
}

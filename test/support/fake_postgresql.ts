/** The imitated PostgreSQL server of the test kit, with a state that a test chooses. */
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { type GivenServer, psql as imitated, readServer, writeServer } from '../../recipes/testing/postgresql.ts'

export { readServer as readPostgresql, writeServer as writePostgresql }

/** Installs the server on a host, with these roles and databases beside its own ones. */
export function givePostgresql(host: VirtualHost, { roles = {}, databases = {} }: Partial<GivenServer> = {}): void {
  host.given('/usr/bin/psql', '', '0755').given('/var/run/postgresql/.s.PGSQL.5432', { other: true })
  host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\npostgres:x:105:105::/var/lib/postgresql:/bin/sh\n')
  writeServer(host, {
    roles: { postgres: { superuser: true }, ...roles },
    databases: { postgres: {}, template1: {}, ...databases },
    available: { pg_trgm: '1.6', hstore: '1.8' },
  })
}

export const psql: CommandHandler = ([program], { input = '', environment = {} }, host) =>
  program === 'psql' ? imitated(host, environment.PGDATABASE ?? '', input) : null

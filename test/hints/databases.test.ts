/** Proves the hints of the types for databases. */
import t from 'tap'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { mysql_database } from '../../resources/databases/mysql_database.ts'
import { postgresql_database } from '../../resources/databases/postgresql_database.ts'
import { postgresql_extension } from '../../resources/databases/postgresql_extension.ts'
import { postgresql_role } from '../../resources/databases/postgresql_role.ts'
import { giveMariadb, mariadb } from '../support/fake_mariadb.ts'
import { givePostgresql, psql, readPostgresql, writePostgresql } from '../support/fake_postgresql.ts'
import { type Declare, proveResources as prove } from '../support/resource_proofs.ts'

const role: Declare = (r) => postgresql_role(r, { name: 'shop' })
const database: Declare = (r) => postgresql_database(r, { name: 'shop' })
const trigram: Declare = (r) => postgresql_extension(r, { name: 'pg_trgm', database: 'shop' })
const trigramAbsent: Declare = (r) => postgresql_extension(r, { name: 'pg_trgm', database: 'shop', absent: true })
const used = { extensions: { pg_trgm: { version: '1.6', schema: 'public', used: true } } }

/** Changes the databases as an operator does. */
function change(host: VirtualHost, update: (data: ReturnType<typeof readPostgresql>) => void): void {
  const data = readPostgresql(host)
  update(data)
  writePostgresql(host, data)
}

t.test('PostgreSQL', async (t) => {
  const commands = psql
  prove(t, [
    {
      source: 'resources/databases/postgresql_server.ts',
      hint: "declare it before this: packages(r, { names: ['postgresql'] })",
      commands,
      broken: role,
      repair: givePostgresql,
    },
    {
      source: 'resources/databases/postgresql_server.ts',
      hint: "start it before this, service(r, { name: 'postgresql' }), or correct the properties port and socket",
      commands,
      given: givePostgresql,
      broken: (r) => postgresql_role(r, { name: 'shop', port: 5433 }),
      repaired: role,
    },
    {
      source: 'resources/databases/postgresql_role.ts',
      hint: "correct its name, or declare it before this: postgresql_role(r, { name: 'shop' })",
      commands,
      given: givePostgresql,
      broken: (r) => postgresql_database(r, { name: 'shop', owner: 'shop' }),
      repaired(r) {
        role(r)
        postgresql_database(r, { name: 'shop', owner: 'shop' })
      },
    },
    {
      source: 'resources/databases/postgresql_role.ts',
      hint: 'in each database that has such objects, run REASSIGN OWNED BY, then DROP OWNED BY, with the role shop',
      commands,
      given: (host) => givePostgresql(host, { roles: { shop: {} }, databases: { shop: { owner: 'shop' } } }),
      broken: (r) => postgresql_role(r, { name: 'shop', absent: true }),
      repair: (host) =>
        change(host, ({ databases }) => {
          if (databases.shop) databases.shop.owner = 'postgres'
        }),
    },
    {
      source: 'resources/databases/postgresql_database.ts',
      hint: "correct its name, or declare it before this: postgresql_database(r, { name: 'shop' })",
      commands,
      given: givePostgresql,
      broken: trigram,
      repaired(r) {
        database(r)
        trigram(r)
      },
    },
    {
      source: 'resources/databases/postgresql_database.ts',
      hint: 'declare the encoding UTF8, or dump the database, remove it and restore it into a new one',
      commands,
      given: (host) => givePostgresql(host, { databases: { shop: {} } }),
      broken: (r) => postgresql_database(r, { name: 'shop', encoding: 'LATIN1' }),
      repaired: (r) => postgresql_database(r, { name: 'shop', encoding: 'UTF8' }),
    },
    {
      source: 'resources/databases/postgresql_database.ts',
      hint: 'stop the programs that use it, which this shows: SELECT pid, application_name, datname FROM pg_stat_activity',
      commands,
      given: (host) => givePostgresql(host, { databases: { shop: { inUse: true } } }),
      broken: (r) => postgresql_database(r, { name: 'shop', absent: true }),
      repair: (host) =>
        change(host, ({ databases }) => {
          if (databases.shop) databases.shop.inUse = false
        }),
    },
    {
      source: 'resources/databases/not_empty.ts',
      hint: "keep a copy with pg_dump if it is needed, then declare: postgresql_database(r, { name: 'shop', absent: true, withData: true })",
      commands,
      given: (host) => givePostgresql(host, { databases: { shop: { objects: 3 } } }),
      broken: (r) => postgresql_database(r, { name: 'shop', absent: true }),
      repaired: (r) => postgresql_database(r, { name: 'shop', absent: true, withData: true }),
    },
    {
      source: 'resources/databases/postgresql_extension.ts',
      hint: "correct its name, or declare the package that has it before this: packages(r, { names: ['postgresql-15-postgis-3'] })",
      commands,
      given: (host) => givePostgresql(host, { databases: { shop: {} } }),
      broken: (r) => postgresql_extension(r, { name: 'trigram', database: 'shop' }),
      repaired: trigram,
    },
    {
      source: 'resources/databases/postgresql_extension.ts',
      hint: 'remove what the output names, or remove it with the extension: cascade: true',
      commands,
      given: (host) => givePostgresql(host, { databases: { shop: used } }),
      broken: trigramAbsent,
      repaired: (r) => postgresql_extension(r, { name: 'pg_trgm', database: 'shop', absent: true, cascade: true }),
    },
  ])
})

t.test('MariaDB', async (t) => {
  const shop: Declare = (r) => mysql_database(r, { name: 'shop' })
  prove(t, [
    {
      source: 'resources/databases/mysql_server.ts',
      hint: "declare it before this: packages(r, { names: ['mariadb-server'] })",
      commands: mariadb,
      broken: shop,
      repair: giveMariadb,
    },
    {
      source: 'resources/databases/mysql_server.ts',
      hint: "start it before this, service(r, { name: 'mariadb' }), or correct the property socket",
      commands: mariadb,
      given: giveMariadb,
      broken: (r) => mysql_database(r, { name: 'shop', socket: '/run/mysqld/other.sock' }),
      repaired: shop,
    },
    {
      source: 'resources/databases/mysql_server.ts',
      hint: 'log in to MariaDB with the password of root, and run: ALTER USER root@localhost IDENTIFIED VIA unix_socket',
      commands: mariadb,
      given(host) {
        giveMariadb(host)
        host.given('/var/lib/mysql.denied', '')
      },
      broken: shop,
      repair: (host) => host.remove('/var/lib/mysql.denied'),
    },
  ])
})

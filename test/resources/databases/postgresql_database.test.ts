/** Tests postgresql_database and postgresql_extension. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { postgresql_database } from '../../../resources/databases/postgresql_database.ts'
import { postgresql_extension } from '../../../resources/databases/postgresql_extension.ts'
import { postgresql_role } from '../../../resources/databases/postgresql_role.ts'
import { package_ } from '../../../resources/packages/package.ts'
import { service } from '../../../resources/services/service.ts'
import { programs } from '../../support/commands.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { givePostgresql, psql, readPostgresql } from '../../support/fake_postgresql.ts'

const host = { commands: psql }
const shop = { owner: 'shop', encoding: 'UTF8', collate: 'C.UTF-8', ctype: 'C.UTF-8', connectionLimit: -1 }
const roles = { shop: {} }

contract(t, postgresql_database, [
  {
    name: 'creates a database',
    props: { name: 'shop', owner: 'shop', connectionLimit: 5 },
    host,
    given: (host) => givePostgresql(host, { roles }),
    changes: ['replace /connectionLimit = 5', 'replace /owner = "shop"', 'replace /exists = true'],
    then: (t, host) => t.match(readPostgresql(host).databases.shop, { ...shop, connectionLimit: 5 }),
  },
  {
    name: 'creates a database with encoding and locale',
    props: { name: 'a=b', encoding: 'utf-8', locale: 'de_CH.utf8' },
    host,
    given: (host) => givePostgresql(host),
    then: (t, host) => t.match(readPostgresql(host).databases['a=b'], { owner: 'postgres', collate: 'de_CH.utf8' }),
  },
  {
    name: 'accepts other spellings, and keeps the owner',
    props: { name: 'shop', encoding: 'utf-8', locale: 'C.utf8' },
    host,
    given: (host) => givePostgresql(host, { roles, databases: { shop } }),
    changes: [],
  },
  {
    name: 'changes the owner',
    props: { name: 'shop', owner: 'shop' },
    host,
    given: (host) => givePostgresql(host, { roles, databases: { shop: { owner: 'postgres' } } }),
    changes: ['replace /owner = "shop"'],
  },
  {
    name: 'removes an empty database',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => givePostgresql(host, { databases: { shop } }),
    changes: ['replace /objects = null', 'replace /exists = false'],
  },
  {
    name: 'removes a database with data if withData is set',
    props: { name: 'shop', absent: true, withData: true },
    host,
    given: (host) => givePostgresql(host, { databases: { shop: { objects: 2 } } }),
    then: (t, host) => t.notOk('shop' in readPostgresql(host).databases),
  },
  {
    name: 'fails to remove a database with data',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => givePostgresql(host, { databases: { shop: { objects: 2 } } }),
    fails: /not empty.*\(2\).*withData: true/,
  },
  {
    name: 'fails if the database has another encoding',
    props: { name: 'shop', encoding: 'LATIN1' },
    host,
    given: (host) => givePostgresql(host, { databases: { shop } }),
    fails: /has the encoding UTF8, not LATIN1/,
  },
  {
    name: 'fails if the database has other character classes',
    props: { name: 'shop', locale: 'C.UTF-8' },
    host,
    given: (host) => givePostgresql(host, { databases: { shop: { ...shop, ctype: 'C' } } }),
    fails: /has the locale C.UTF-8, characters C, not C.UTF-8/,
  },
])

contract(t, postgresql_extension, [
  {
    name: 'creates an extension',
    props: { name: 'pg_trgm', database: 'shop', schema: 'ext' },
    host,
    given: (host) => givePostgresql(host, { databases: { shop } }),
    changes: ['replace /schema = "ext"', 'replace /exists = true'],
    then: (t, host) =>
      t.strictSame(readPostgresql(host).databases.shop?.extensions, { pg_trgm: { version: '1.6', schema: 'ext' } }),
  },
  {
    name: 'updates an extension',
    props: { name: 'pg_trgm', database: 'shop', version: 'latest' },
    host,
    given: (host) =>
      givePostgresql(host, { databases: { shop: { extensions: { pg_trgm: { version: '1.3', schema: 'public' } } } } }),
    changes: ['replace /version = "1.6"'],
  },
  {
    name: 'accepts any version of an extension',
    props: { name: 'pg_trgm', database: 'shop' },
    host,
    given: (host) =>
      givePostgresql(host, { databases: { shop: { extensions: { pg_trgm: { version: '1.3', schema: 'public' } } } } }),
    changes: [],
  },
  {
    name: 'absent',
    props: { name: 'pg_trgm', database: 'shop', absent: true },
    host,
    given: (host) =>
      givePostgresql(host, { databases: { shop: { extensions: { pg_trgm: { version: '1.3', schema: 'public' } } } } }),
    changes: ['replace /exists = false'],
  },
])

t.test('a dry run knows the databases that earlier resources would create', async (t) => {
  const plan = planOf((r) => {
    postgresql_role(r, { name: 'shop' })
    postgresql_database(r, { name: 'shop', owner: 'shop' })
    postgresql_extension(r, { name: 'pg_trgm', database: 'shop' })
  })
  const base = new VirtualHost(host)
  givePostgresql(base)
  const dry = await run(plan, new VirtualHost({ base }), 'plan')
  t.equal(dry.counts.planned, 3)
  t.strictSame(patchOf(dry), patchOf(await run(plan, base)))
  t.equal((await run(plan, base)).counts.unchanged, 3)
})

t.test('a dry run does not know the databases before the server is installed and runs', async (t) => {
  const database = { name: 'shop' }
  const installing = planOf((r) => {
    package_(r, { names: ['postgresql'] })
    postgresql_database(r, database)
  })
  const nothing = new VirtualHost({ commands: programs() })
  t.match(await run(installing, new VirtualHost({ base: nothing }), 'plan'), { counts: { planned: 1, unknown: 1 } })
  const starting = planOf((r) => {
    service(r, { name: 'postgresql' })
    postgresql_database(r, database)
  })
  const stopped = new VirtualHost({
    commands: ([, , command]) => ({ status: command === 'status' ? 3 : 0 }),
  })
  stopped.given('/usr/bin/psql', '', '0755').given('/etc/init.d/postgresql', '', '0755')
  const report = await run(starting, new VirtualHost({ base: stopped }), 'plan')
  t.equal(failureOf(report), undefined)
  t.match(report, { counts: { planned: 1, unknown: 1 } })
})

t.test('refuses to remove the databases of the server', async (t) => {
  for (const name of ['postgres', 'template1'])
    t.throws(() => planOf((r) => postgresql_database(r, { name, absent: true })), { code: 'INVALID_PROP' })
})

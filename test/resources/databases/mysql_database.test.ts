/** Tests mysql_database: creating, changing and removing a database. */
import t from 'tap'
import { mysql_database } from '../../../resources/databases/mysql_database.ts'
import { contract, planOf } from '../../support/contract.ts'
import { giveMariadb, mariadb, readMariadb } from '../../support/fake_mariadb.ts'

const host = { commands: mariadb }
const shop = { characterSet: 'utf8mb3', collation: 'utf8mb3_general_ci', objects: 0 }

contract(t, mysql_database, [
  {
    name: 'creates a database',
    props: { name: 'a`b', characterSet: 'utf8mb4', collation: 'utf8mb4_unicode_ci' },
    host,
    given: (host) => giveMariadb(host),
    changes: [
      'replace /collation = "utf8mb4_unicode_ci"',
      'replace /characterSet = "utf8mb4"',
      'replace /exists = true',
    ],
    then: (t, host) =>
      t.match(readMariadb(host).databases['a`b'], { characterSet: 'utf8mb4', collation: 'utf8mb4_unicode_ci' }),
  },
  {
    name: 'changes the character set',
    props: { name: 'shop', characterSet: 'utf8mb4' },
    host,
    given: (host) => giveMariadb(host, { databases: { shop } }),
    changes: ['replace /characterSet = "utf8mb4"'],
  },
  {
    name: 'accepts both names of utf8',
    props: { name: 'shop', characterSet: 'utf8', collation: 'utf8_general_ci' },
    host,
    given: (host) => giveMariadb(host, { databases: { shop } }),
    changes: [],
  },
  {
    name: 'removes an empty database',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => giveMariadb(host, { databases: { shop } }),
    changes: ['replace /objects = null', 'replace /exists = false'],
  },
  {
    name: 'fails to remove a database with data',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => giveMariadb(host, { databases: { shop: { ...shop, objects: 3 } } }),
    fails: /not empty.*\(3\).*withData: true/,
  },
  {
    name: 'removes a database with data if withData is set',
    props: { name: 'shop', absent: true, withData: true },
    host,
    given: (host) => giveMariadb(host, { databases: { shop: { ...shop, objects: 3 } } }),
    then: (t, host) => t.strictSame(readMariadb(host).databases, {}),
  },
])

t.test('refuses to remove the databases of the server', async (t) => {
  for (const name of ['mysql', 'Sys'])
    t.throws(() => planOf((r) => mysql_database(r, { name, absent: true })), { code: 'INVALID_PROP' })
})

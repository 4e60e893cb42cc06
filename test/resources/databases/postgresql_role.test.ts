/** Tests postgresql_role: roles, their rights, memberships and passwords. */
import t from 'tap'
import { postgresql_role } from '../../../resources/databases/postgresql_role.ts'
import { belongsTo, verifierOf } from '../../../resources/databases/scram.ts'
import { contract, planOf } from '../../support/contract.ts'
import { givePostgresql, psql, readPostgresql } from '../../support/fake_postgresql.ts'

const host = { commands: psql }
const verifier = verifierOf('s3cret')

contract(t, postgresql_role, [
  {
    name: 'creates a role that can log in',
    props: { name: 'shop', password: 's3cret' },
    host,
    given: (host) => givePostgresql(host),
    changes: ['replace /password = "********"', 'replace /exists = true'],
    then: (t, host) => {
      const { shop } = readPostgresql(host).roles
      t.equal(shop?.login, true)
      t.ok(belongsTo(shop?.password ?? '', 's3cret', 'shop'), 'only a verifier is stored')
    },
  },
  {
    name: 'creates a role with all properties',
    props: {
      name: "o'ne\\",
      login: false,
      createDatabase: true,
      createRole: true,
      replication: true,
      superuser: true,
      connectionLimit: 3,
      memberOf: ['b', 'a'],
      password: verifier,
    },
    host,
    given: (host) => givePostgresql(host, { roles: { a: {}, b: {} } }),
    then: (t, host) =>
      t.strictSame(readPostgresql(host).roles["o'ne\\"], {
        login: false,
        superuser: true,
        createDatabase: true,
        createRole: true,
        replication: true,
        connectionLimit: 3,
        memberOf: ['a', 'b'],
        password: verifier,
      }),
  },
  {
    name: 'leaves undeclared properties and a correct password unchanged',
    props: { name: 'shop', password: 's3cret', memberOf: ['a'] },
    host,
    given: (host) =>
      givePostgresql(host, { roles: { a: {}, shop: { password: verifier, superuser: true, memberOf: ['a', 'z'] } } }),
    changes: [],
  },
  {
    name: 'changes what differs',
    props: { name: 'shop', password: 'other', login: true, superuser: false, memberOf: ['a'] },
    host,
    given: (host) => givePostgresql(host, { roles: { a: {}, shop: { password: verifier, superuser: true } } }),
    changes: [
      'replace /password = "********"',
      'add /memberOf/0 = "a"',
      'replace /superuser = false',
      'replace /login = true',
    ],
  },
  {
    name: 'absent',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => givePostgresql(host, { roles: { shop: {} } }),
    changes: ['replace /exists = false'],
    then: (t, host) => t.notOk('shop' in readPostgresql(host).roles),
  },
  {
    name: 'does nothing if the role to remove does not exist',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => givePostgresql(host),
    changes: [],
  },
  {
    name: 'fails if a role that it must be a member of does not exist',
    props: { name: 'shop', memberOf: ['readers'] },
    host,
    given: (host) => givePostgresql(host),
    fails: /no role readers.*postgresql_role\(r, \{ name: 'readers' \}\)/,
  },
])

t.test('recognizes a password by the text that PostgreSQL stores', async (t) => {
  // As PostgreSQL 15 has stored it.
  const stored =
    'SCRAM-SHA-256$4096:fF3k8L/F4MTSjNcYD5hXEA==$mKwuCvKQkoqx3b9zkWzDLHr2eRdtmXsHLUJir3x3LEI=:KhPQKp7VGOGU4LWhiNqGgA2j9GOSGhvEjyLjN8lEDaA='
  t.ok(belongsTo(stored, 'pencil', 'user'))
  t.notOk(belongsTo(stored, 'pencils', 'user'))
  t.ok(belongsTo('md55b8a5c44f4ed4a6d4bdcd6e0c7eb5ee5', 'md55b8a5c44f4ed4a6d4bdcd6e0c7eb5ee5', 'user'))
  t.notOk(belongsTo('plain', 'plain', 'user'))
  t.not(verifierOf('pencil'), verifierOf('pencil'), 'each has a salt of its own')
})

t.test('refuses names and passwords that mean something else elsewhere', async (t) => {
  for (const wrong of [{ name: '' }, { name: 'pg_x' }, { name: 'ü'.repeat(32) }, { name: 'a\nb' }, { password: 'ﬁ' }])
    t.throws(() => planOf((r) => postgresql_role(r, { name: 'shop', ...wrong })), JSON.stringify(wrong))
})

/** Tests mysql_user: accounts, passwords and privileges. */
import t from 'tap'
import { mysql_user } from '../../../resources/databases/mysql_user.ts'
import { contract, planOf } from '../../support/contract.ts'
import { giveMariadb, mariadb, readMariadb } from '../../support/fake_mariadb.ts'

const host = { commands: mariadb }
const hash = '*B865CAE8F340F6CE1485A06F4492BB49718DF1EC'
const native = { plugin: 'mysql_native_password', authentication_string: hash }

contract(t, mysql_user, [
  {
    name: 'creates a user with privileges',
    props: { name: 'shop', password: 's3cret', grants: { 'my_shop.*': ['SELECT', 'INSERT', 'GRANT OPTION'] } },
    host,
    given: (host) => giveMariadb(host),
    changes: ['replace /grants = {"my_shop.*":', 'replace /login = "password as declared"', 'replace /exists = true'],
    then: (t, host) =>
      t.strictSame(readMariadb(host).users['shop@localhost'], {
        login: native,
        grants: { '`my\\_shop`.*': ['INSERT', 'SELECT', 'GRANT OPTION'] },
      }),
  },
  {
    name: 'creates a user that cannot log in if no password is given',
    props: { name: "o'ne", host: '10.0.0.%' },
    host,
    given: (host) => giveMariadb(host),
    then: (t, host) =>
      t.match(readMariadb(host).users["o'ne@10.0.0.%"], { login: { authentication_string: 'invalid' } }),
  },
  {
    name: 'leaves a correct password and undeclared properties unchanged',
    props: { name: 'shop', password: 's3cret' },
    host,
    given: (host) =>
      giveMariadb(host, { users: { 'shop@localhost': { login: native, grants: { '*.*': ['SUPER'] } } } }),
    changes: [],
  },
  {
    name: 'changes the password, and the privileges of each target',
    props: { name: 'shop', password: 'other', grants: { 'a.*': ['ALL'], 'b.*': ['SELECT'], 'c.t': ['SELECT'] } },
    host,
    given: (host) =>
      giveMariadb(host, {
        users: {
          'shop@localhost': {
            login: native,
            grants: {
              '`a`.*': ['SELECT'],
              '`b`.*': ['SELECT', 'DELETE', 'GRANT OPTION'],
              '`c`.`t`': ['SELECT (`x`)'],
              '`d_`.*': ['ALL PRIVILEGES'],
              '*.*': ['PROCESS'],
            },
          },
        },
      }),
    then: (t, host) => {
      const grants = readMariadb(host).users['shop@localhost']?.grants ?? {}
      t.strictSame(Object.fromEntries(Object.entries(grants).filter(([, names]) => names.length > 0)), {
        '`a`.*': ['ALL PRIVILEGES'],
        '`b`.*': ['SELECT'],
        '`c`.`t`': ['SELECT'],
      })
    },
  },
  {
    name: 'creates a user that logs in by the socket',
    props: { name: 'backup', unixSocket: true },
    host,
    given: (host) => giveMariadb(host, { users: { 'backup@localhost': { login: native, grants: {} } } }),
    changes: ['replace /login = "unix_socket"'],
  },
  {
    name: 'absent',
    props: { name: 'shop', absent: true },
    host,
    given: (host) => giveMariadb(host, { users: { 'shop@localhost': { login: native, grants: {} } } }),
    changes: ['replace /exists = false'],
  },
])

t.test('refuses invalid privileges, targets and users', async (t) => {
  for (const wrong of [
    { grants: { 'a.*': ['SELECT; DROP'] } },
    { grants: { 'a.*': ['USAGE'] } },
    { grants: { a: ['SELECT'] } },
    { grants: { '*.t': ['SELECT'] } },
    { grants: { 'a`.*': ['SELECT'] } },
    { name: 'root', absent: true },
    { host: "x'y" },
    { password: 'x', unixSocket: true },
  ])
    t.throws(() => planOf((r) => mysql_user(r, { name: 'shop', ...wrong })), JSON.stringify(wrong))
})

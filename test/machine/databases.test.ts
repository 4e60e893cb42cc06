/** Tests the types for databases with servers of the test's own: PostgreSQL and MariaDB. */
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import type { CommandOptions, CommandResult } from '../../core/host/types.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { mysql_database } from '../../resources/databases/mysql_database.ts'
import { mysql_user } from '../../resources/databases/mysql_user.ts'
import { postgresql_database } from '../../resources/databases/postgresql_database.ts'
import { postgresql_extension } from '../../resources/databases/postgresql_extension.ts'
import { postgresql_role } from '../../resources/databases/postgresql_role.ts'
import { failureOf, patchOf, planOf } from '../support/contract.ts'
import { needs, scratch } from '../support/machine.ts'
import { mariadbServer, postgresqlServer } from './support/database_servers.ts'

t.setTimeout(120_000)

type Declare = Parameters<typeof planOf>[0]

/** A host that notes what other accounts can see of its commands. */
class WatchedHost extends LocalHost {
  readonly visible: string[] = []

  override run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    this.visible.push(argv.join(' '))
    return super.run(argv, options)
  }

  override query(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    this.visible.push(argv.join(' '))
    return super.query(argv, options)
  }
}

/** Runs a plan: the dry run predicts the patch, a second run changes nothing, no text shows a secret. */
async function applied(t: Test, host: WatchedHost, secrets: readonly string[], declare: Declare): Promise<string[]> {
  const plan = planOf(declare)
  const dry = await converge(plan, new VirtualHost({ base: host }), { id: 'x', mode: 'plan' })
  const real = await converge(plan, host, { id: 'x', mode: 'run' })
  t.strictSame(failureOf(real), undefined)
  t.strictSame(patchOf(dry), patchOf(real), 'the dry run predicted the patch')
  const again = await converge(plan, host, { id: 'x', mode: 'run' })
  t.strictSame(patchOf(again), [], 'the second run changes nothing')
  const shown = JSON.stringify([dry, real, again, host.visible])
  for (const secret of secrets) t.notMatch(shown, secret, 'the secret is not shown')
  return patchOf(real)
}

async function refused(host: WatchedHost, declare: Declare): Promise<unknown> {
  return failureOf(await converge(planOf(declare), host, { id: 'x', mode: 'run' }))
}

t.test('PostgreSQL: roles, databases and extensions', async (t) => {
  if (!needs(t, ['root', 'postgresql'])) return
  const { socket, log } = await postgresqlServer(t)
  const host = new WatchedHost(`${scratch(t)}/state`)
  // Whatever a name contains, it is a name.
  const hostile = `o'ne"; DROP ROLE \\ :x \${y} "ü`
  const secret = `s'3cr"\\et :name $1 ü`
  const sql = (database: string, statement: string, user = 'postgres', password = '') =>
    spawnSync('runuser', ['-u', 'postgres', '--', 'psql', '-XAtw', '-h', socket, '-U', user, '-c', statement], {
      encoding: 'utf8',
      env: { ...process.env, PGDATABASE: database, PGPASSWORD: password },
    })
  const declared: Declare = (r) => {
    postgresql_role(r, { name: 'readers', socket, login: false })
    postgresql_role(r, { name: hostile, socket, password: secret, memberOf: ['readers'], connectionLimit: 9 })
    postgresql_database(r, { name: hostile, socket, owner: hostile, encoding: 'utf-8', locale: 'C' })
    postgresql_extension(r, { name: 'plpgsql', database: hostile, socket, absent: true })
    postgresql_extension(r, { name: 'pg_trgm', database: hostile, socket, schema: 'ext "a', version: '1.3' })
  }
  t.equal((await applied(t, host, [secret, secret.slice(0, 9)], declared)).length > 10, true)
  t.match(sql(hostile, 'SELECT current_user', hostile, secret).stdout, hostile, 'the password is right')
  t.match(sql(hostile, 'SELECT 1', hostile, 'other').stderr, /authentication failed/)
  t.match(sql(hostile, '\\dx').stdout, 'pg_trgm|1.3|ext "a|')
  t.notMatch(sql(hostile, '\\dx').stdout, 'plpgsql')
  t.match(sql('postgres', '\\l').stdout, `${hostile}|${hostile}|UTF8|`)
  t.notMatch(log(), secret, 'the log of the server has no password')
  t.notMatch(log(), "s''3cr\"", 'nor a literal of it')
  t.strictSame(
    await applied(t, host, [secret, 'n3w-secret'], (r) => {
      postgresql_role(r, { name: hostile, socket, password: 'n3w-secret', login: false })
      postgresql_database(r, { name: hostile, socket, owner: 'postgres', connectionLimit: 5 })
      postgresql_extension(r, { name: 'pg_trgm', database: hostile, socket, schema: 'public', version: 'latest' })
    }),
    [
      'replace /password = "********"',
      'replace /login = false',
      'replace /connectionLimit = 5',
      'replace /owner = "postgres"',
      'replace /schema = "public"',
      'replace /version = "1.6"',
    ],
  )
  // md5, as an earlier server has stored it.
  sql('postgres', `SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'plain'`)
  t.strictSame(await applied(t, host, [], (r) => postgresql_role(r, { name: 'old', socket, password: 'plain' })), [])
  sql(hostile, 'CREATE TABLE kept (x int)')
  t.match(await refused(host, (r) => postgresql_database(r, { name: hostile, socket, encoding: 'LATIN1' })), {
    code: 'CANNOT_CHANGE',
  })
  t.match(await refused(host, (r) => postgresql_database(r, { name: hostile, socket, absent: true })), {
    code: 'NOT_EMPTY',
    message: /large objects \(1\)/,
  })
  t.match(await refused(host, (r) => postgresql_database(r, { name: 'x', socket, owner: 'nobody' })), {
    code: 'NO_ROLE',
  })
  t.match(await refused(host, (r) => postgresql_extension(r, { name: 'pg_trgm', database: 'no', socket })), {
    code: 'NO_DATABASE',
  })
  t.match(await refused(host, (r) => postgresql_extension(r, { name: 'no', database: hostile, socket })), {
    code: 'NO_EXTENSION',
  })
  t.match(await refused(host, (r) => postgresql_database(r, { name: 'x', socket, port: 5433 })), { code: 'NO_SERVER' })
  sql('postgres', `CREATE DATABASE owned OWNER readers`)
  t.match(await refused(host, (r) => postgresql_role(r, { name: 'readers', socket, absent: true })), {
    code: 'ROLE_IN_USE',
  })
  const gone: Declare = (r) => {
    postgresql_extension(r, { name: 'pg_trgm', database: hostile, socket, absent: true })
    postgresql_database(r, { name: hostile, socket, absent: true, withData: true })
    postgresql_database(r, { name: 'owned', socket, absent: true })
    postgresql_role(r, { name: hostile, socket, absent: true })
    postgresql_role(r, { name: 'readers', socket, absent: true })
  }
  await applied(t, host, [], gone)
  t.equal(sql('postgres', 'SELECT count(*) FROM pg_database').stdout, '3\n')
})

t.test('MariaDB: users, privileges and databases', async (t) => {
  if (!needs(t, ['root', 'mariadbd'])) return
  const { socket, log } = await mariadbServer(t)
  const host = new WatchedHost(`${scratch(t)}/state`)
  const hostile = 'a`b\'c"d\\e_f%g ü'
  const secret = `s'3cr"\\et\\n ü`
  const sql = (statement: string, user = 'root', password?: string) =>
    spawnSync('mariadb', ['--no-defaults', `--socket=${socket}`, '-BN', '-u', user, '-e', statement], {
      encoding: 'utf8',
      env: { ...process.env, ...(password === undefined ? {} : { MYSQL_PWD: password }) },
    })
  sql('CREATE DATABASE shopX1; CREATE DATABASE shop_1; CREATE TABLE shop_1.items (a int, b int)')
  await applied(t, host, [secret], (r) => {
    mysql_database(r, { name: hostile, socket, characterSet: 'utf8mb4', collation: 'utf8mb4_unicode_ci' })
    mysql_database(r, { name: 'Shop', socket })
    mysql_user(r, {
      name: "o'ne\\",
      socket,
      password: secret,
      grants: {
        'shop_1.*': ['ALL', 'GRANT OPTION'],
        'shop_1.items': ['SELECT'],
        '*.*': ['PROCESS', 'REPLICATION CLIENT'],
      },
    })
    mysql_user(r, { name: 'backup', socket, unixSocket: true, grants: { 'Shop.*': ['SELECT'] } })
    mysql_user(r, { name: 'locked', socket, host: '%' })
  })
  const login = (statement: string, password: string) => sql(statement, "o'ne\\", password)
  t.equal(login('SELECT 1', secret).stdout, '1\n')
  t.match(login('SELECT 1', 'other').stderr, /Access denied/)
  t.match(sql('SELECT 1', 'locked', '').stderr, /Access denied/, 'a user without a password cannot log in')
  t.equal(login('SELECT COUNT(*) FROM shop_1.items', secret).stdout, '0\n')
  t.match(login('USE shopX1', secret).stderr, /Access denied/, 'an underscore is no wildcard')
  t.notMatch(log(), '3cr', 'the log of the server has no password')
  t.match(sql('SHOW DATABASES').stdout, 'Shop\n')
  sql('GRANT SELECT (a) ON shop_1.items TO backup@localhost; GRANT ALL ON `shop_1`.* TO backup@localhost')
  await applied(t, host, ['n3w-secret'], (r) => {
    mysql_user(r, { name: "o'ne\\", socket, password: 'n3w-secret', grants: { 'shop_1.*': ['SELECT', 'INSERT'] } })
    mysql_user(r, { name: 'backup', socket, grants: { 'shop_1.items': ['SELECT', 'UPDATE'], '*.*': ['RELOAD'] } })
    mysql_database(r, { name: 'Shop', socket, characterSet: 'latin1' })
  })
  t.equal(login('SHOW GRANTS', 'n3w-secret').stdout.split('\n').length, 3)
  const granted = sql('SHOW GRANTS FOR backup@localhost').stdout
  t.match(granted, /GRANT RELOAD ON \*\.\*/)
  t.match(granted, /GRANT SELECT, UPDATE ON `shop_1`\.`items`/)
  t.notMatch(granted, /ALL PRIVILEGES|\(`a`\)/)
  t.match(await refused(host, (r) => mysql_database(r, { name: 'shop_1', socket, absent: true })), {
    code: 'NOT_EMPTY',
    message: /\(1\)/,
  })
  await applied(t, host, [], (r) => {
    mysql_database(r, { name: 'shop_1', socket, absent: true, withData: true })
    mysql_database(r, { name: hostile, socket, absent: true })
    mysql_user(r, { name: "o'ne\\", socket, absent: true })
    mysql_user(r, { name: 'locked', socket, host: '%', absent: true })
  })
  t.strictSame(sql('SHOW DATABASES').stdout.includes('shop_1'), false)
  sql("ALTER USER root@localhost IDENTIFIED BY 'x'")
  t.match(await refused(host, (r) => mysql_database(r, { name: 'x', socket })), { code: 'ACCESS_DENIED' })
  t.match(await refused(host, (r) => mysql_database(r, { name: 'x', socket: `${socket}-no` })), { code: 'NO_SERVER' })
})

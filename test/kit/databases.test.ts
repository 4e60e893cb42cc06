/** Tests the databases that the host of the test kit imitates. */
import t from 'tap'
import { role } from '../../core/compile/role.ts'
import { converge, verify } from '../../recipes/testing/index.ts'
import { mysql_database } from '../../resources/databases/mysql_database.ts'
import { mysql_user } from '../../resources/databases/mysql_user.ts'
import { postgresql_database } from '../../resources/databases/postgresql_database.ts'
import { postgresql_extension } from '../../resources/databases/postgresql_extension.ts'
import { postgresql_role } from '../../resources/databases/postgresql_role.ts'
import { package_ as packages } from '../../resources/packages/package.ts'

const shop = (owner = 'shop', absent = false) =>
  role('shop-database', {
    setup: (r) => void packages(r, { names: ['postgresql'] }),
    deploy(r) {
      if (absent) {
        postgresql_database(r, { name: 'shop', absent: true })
        postgresql_role(r, { name: 'shop', absent: true })
        return
      }
      postgresql_role(r, { name: 'reader', login: false, memberOf: ['pg_read_all_data'] })
      postgresql_role(r, { name: 'shop', password: "it's \\ a secret", createDatabase: true, connectionLimit: 5 })
      postgresql_database(r, { name: 'shop', owner, encoding: 'UTF8', locale: 'C.UTF-8', connectionLimit: 9 })
      postgresql_extension(r, { name: 'pg_trgm', database: 'shop', schema: 'geo' })
    },
  })

t.test('a role with databases converges, and its second run changes nothing', async (t) => {
  const run = await verify(shop())
  run.assertResource(postgresql_database, 'shop', { owner: 'shop' })
  const next = await converge(shop('reader'), { host: run.host })
  next.assertChanged(['postgresql_database shop'])
  const last = await converge(shop('', true), { host: run.host })
  last.assertChanged(['postgresql_database shop', 'postgresql_role shop'])
  const again = await converge(shop('', true), { host: run.host })
  again.assertUnchanged()
  t.pass()
})

t.test('a missing owner is an error', async (t) => {
  await t.rejects(converge(shop('shpo')), { message: /PostgreSQL has no role shpo/ })
})

const mariadbShop = (password: string, absent = false) =>
  role('mariadb-shop', {
    setup: (r) => void packages(r, { names: ['mariadb-server'] }),
    deploy(r) {
      if (absent) {
        mysql_user(r, { name: 'shop', absent: true })
        mysql_database(r, { name: 'shop', absent: true })
        return
      }
      mysql_database(r, { name: 'shop', characterSet: 'utf8mb4' })
      mysql_user(r, { name: 'shop', password, grants: { 'shop.*': ['SELECT', 'INSERT'] } })
    },
  })

t.test('a role with databases of MariaDB converges, and its second run changes nothing', async (t) => {
  const run = await verify(mariadbShop("Ann's secret"))
  run.assertResource(mysql_database, 'shop', { characterSet: 'utf8mb4' })
  const next = await converge(mariadbShop('another'), { host: run.host })
  next.assertChanged(['mysql_user shop@localhost'])
  const last = await converge(mariadbShop('', true), { host: run.host })
  last.assertChanged(['mysql_user shop@localhost', 'mysql_database shop'])
  const again = await converge(mariadbShop('', true), { host: run.host })
  again.assertUnchanged()
  t.pass()
})

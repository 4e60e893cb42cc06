/** Tests the role relstorage-server as root on a disposable copy of the system, with PostgreSQL and MariaDB, as docs/relstorage.md describes. */
import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

const inside = (query: string) => `ip addr add 10.77.9.1/32 dev lo
ip addr add 10.77.9.9/32 dev lo
converge() { node --import tsx recipes/converge.ts "$@" --role relstorage-server --json /tmp/site.json; }
query() { ${query} 2>&1; }
password='a "quoted" $ecret'
echo "== first"
converge || exit 1
echo "== second"
converge
echo "== login"
query 10.77.9.1 'CREATE TABLE kept (x int)' && query 10.77.9.1 'INSERT INTO kept VALUES (42)'
query 10.77.9.1 'SELECT x FROM kept'
query 10.77.9.1 'CREATE DATABASE site_verify' && query 10.77.9.1 'DROP DATABASE site_verify' && echo made
query 10.77.9.1 'SELECT version()'
ss -ltnH '( sport = :5432 or sport = :3306 )' | awk '{ print $4 }' | sort
echo "== changed"
password=another
sed -i 's/"password": .*/"password": "another"/' /tmp/site.json
converge configure || exit 1
query 10.77.9.1 'SELECT x FROM kept'
converge configure
echo "== stopped"
converge stop
query 10.77.9.1 'SELECT x FROM kept' && echo answered
converge start || exit 1
query 10.77.9.1 'SELECT x FROM kept'
echo "== status"
converge status
`

const postgresql = `PGPASSWORD=$password psql -XAtqw -h "$1" -U zope -c "$2" site`
const mariadb = `MYSQL_PWD=$password mariadb --no-defaults -BN -h "$1" -u zope -e "$2" site`

const site = (type: string) => ({
  opsworks: {
    instance: { hostname: 'db1', private_ip: '10.77.9.1', layers: ['database'] },
    layers: { plone_instances: { instances: { plone1: { private_ip: '10.77.9.2', status: 'online' } } } },
  },
  plone_instances: {
    enable_relstorage: true,
    relstorage: {
      keep_history: type === 'mysql' ? false : null,
      db: { type, name: 'site', user: 'zope', host: '10.77.9.1', password: 'a "quoted" $ecret' },
    },
  },
})

async function serves(t: Test, type: string, query: string) {
  const copy = systemCopy(t)
  writeFileSync(`${copy.given}/site.json`, JSON.stringify(site(type), null, 1))
  const { status, output, part } = await copy.run(inside(query))
  t.equal(status, 0)
  t.match(part('second'), /nothing to do: \d+ unchanged/)
  t.match(part('login'), /^42\nmade\n/m)
  t.match(part('changed'), /\n42\n(.*\n)*nothing to do: \d+ unchanged/, 'a new password, and the same data')
  t.notMatch(part('stopped').split('converge start')[0], 'answered')
  t.match(part('stopped'), /\n42\n$/, 'the data outlives a restart')
  t.notMatch(output, /quoted|another/, 'the password is displayed nowhere')
  if (!t.passing()) t.comment(output)
  return part
}

t.setTimeout(300_000)

t.test('PostgreSQL', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'postgresql'])) return
  const part = await serves(t, 'postgres', postgresql)
  t.match(part('login'), '\n10.77.9.1:5432\n127.0.0.1:5432\n', 'it listens for the hosts of the stack')
  t.match(part('status'), /up +postgresql/)
})

t.test('MariaDB', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'mariadbd'])) return
  const part = await serves(t, 'mysql', mariadb)
  t.match(part('login'), '\n10.77.9.1:3306\n127.0.0.1:3306\n', 'it listens for the hosts of the stack')
  t.match(part('status'), /up +mariadb/)
  t.match(part('login'), '\n5.7.44-MariaDB\n', 'RelStorage uses SQL that MariaDB has')
})

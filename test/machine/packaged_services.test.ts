/** Tests the roles broker and memcached as root on a disposable copy of the system, with real servers. */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

const inside = `ip addr add 10.77.9.1/32 dev lo
converge() { node --import tsx recipes/converge.ts "$@" --role base --role broker --role memcached --json /tmp/site.json; }
redis() { redis-cli -h 10.77.9.1 "$@" 2>/dev/null; }
export REDISCLI_AUTH='a "quoted" \\ secret'
service cron start
before=$(pgrep -x cron)
echo "== first"
converge || exit 1
echo "== zone"
cat /etc/timezone
date +%Z
[ "$(pgrep -x cron)" != "$before" ] && echo "another cron"
echo "== documented"
cp /tmp/site.json custom.json
sudo() { "$@"; }
eval "$(sed -n '/^\`\`\`sh/,/^\`\`\`/p' docs/services.md | grep converge)" || exit 1
echo "== second"
converge
echo "== data"
redis set task kept
redis config get dir
REDISCLI_AUTH= redis get task
exec 3<> /dev/tcp/10.77.9.1/11211
printf 'set page 0 0 5\\r\\nhello\\r\\nget page\\r\\nquit\\r\\n' >&3
cat <&3
ss -ltnH '( sport = :6379 or sport = :11211 )' | awk '{ print $4 }' | sort
stat -c '%a %U %n' /etc/redis/redis.conf /redis
echo "== changed"
sed -i 's/"databases": 16/"databases": 4/; s/"memory": 64/"memory": 32/' /tmp/site.json
converge configure || exit 1
redis get task
redis config get databases
echo "== status"
converge status
echo "== stopped"
converge stop
converge configure
pgrep -l redis-server; pgrep -l memcached; echo none
echo "== started"
converge start || exit 1
redis get task
echo "== restarted"
converge restart || exit 1
redis get task
echo "== broken"
service redis-server stop
rm -rf /redis
touch /redis
converge configure
echo "status $?"
rm /redis
converge configure || exit 1
echo "== undeployed"
converge undeploy
pgrep -l redis-server; pgrep -l memcached; echo none
`

const site = {
  opsworks: {
    instance: { hostname: 'broker1', private_ip: '10.77.9.1', layers: ['celery_broker', 'memcached'] },
    layers: { plone_instances: { instances: { plone1: { private_ip: '10.77.9.2', status: 'online' } } } },
  },
  redis: { config: { requirepass: 'a "quoted" \\ secret', databases: 16 } },
  memcached: { memory: 64 },
  system: { timezone: 'Asia/Tokyo' },
}

t.setTimeout(180_000)

t.test('runs Redis and memcached for the hosts of the stack', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'redis-server', 'memcached'])) return
  const copy = systemCopy(t)
  writeFileSync(`${copy.given}/site.json`, JSON.stringify(site, null, 1))
  const { status, output, part } = await copy.run(inside)
  t.equal(status, 0)
  t.match(part('first'), /service_restart redis-server.*\n(.*\n)*.*service_restart memcached/)
  t.match(part('zone'), '\nAsia/Tokyo\nJST\nanother cron\n')
  t.match(part('documented'), /(nothing to do: \d+ unchanged.*\n){2}/, 'the commands of docs/services.md work')
  t.match(part('second'), /nothing to do: \d+ unchanged/)
  t.match(part('data'), /^OK\ndir\n\/redis\nNOAUTH .*\n\nSTORED\r?\nVALUE page 0 5\r?\nhello\r?\nEND/m)
  const listening = ['10.77.9.1:11211', '10.77.9.1:6379', '127.0.0.1:11211', '127.0.0.1:6379']
  t.match(part('data'), `\n${listening.join('\n')}\n640 redis /etc/redis/redis.conf\n750 redis /redis\n`)
  t.match(part('changed'), /\nkept\ndatabases\n4\n/, 'the data outlives a change of the configuration')
  t.match(part('status'), /up +redis-server.*\nmemcached.*\n +up +memcached/)
  t.match(part('stopped'), /redis-server was stopped on purpose by .*\n(.*\n)*nothing to do.*\nnone\n/)
  t.match(part('started'), /4 changed.*\nkept\n/)
  t.match(part('restarted'), /2 changed.*\nkept\n/)
  t.match(part('broken'), /\/redis is a file, but a directory was declared.*\n(.*\n)*status 1\n/)
  t.match(part('undeployed'), /service redis-server state: running -> stopped(.*\n)*none\n/)
  t.notOk(output.includes('quoted'), 'the password is displayed nowhere')
  if (!t.passing()) t.comment(output)
})

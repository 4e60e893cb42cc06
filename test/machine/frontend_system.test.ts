/** Tests the frontend as root on a disposable copy of the system, as services of the system. */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

const inside = `echo '127.0.0.3 plone2.test' >> /etc/hosts
converge() { node --import tsx recipes/converge.ts "$@" --role frontend --node-json /tmp/stack.json; }
page() { curl -s -o /dev/null -w '%{http_code}\\n' --retry 20 --retry-delay 1 --retry-all-errors --fail "$@"; }
node /tmp/clients.mjs &
echo "== first"
converge configure || exit 1
echo "== second"
converge configure
echo "== seen"
page http://127.0.0.1/news
curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1/balancer/stats
stat -c '%n %a' /etc/haproxy/haproxy.cfg /etc/haproxy/stats-password /var/lib/haproxy/stats
ls /etc/nginx/sites-enabled
converge balancer list
converge status
echo "== changed"
sed -i 's/"retries": 3/"retries": 4/' /tmp/stack.json
converge configure
page http://127.0.0.1/other
# Each is drained first: the drain state of a host that is replaced must not count for its successor.
sessions() { for i in 1 2 3 4 5 6; do curl -s "http://127.0.0.1:8080/$1$i"; echo; done | sort | uniq -c | tr -s ' ' | tr '\\n' ';'; echo; }
echo "== renamed"
converge balancer drain plone1-1 --wait 0
converge balancer drain plone2-1 --wait 0
sed -i 's/^127.0.0.3 /127.0.0.4 /' /etc/hosts
converge plan --event configure
converge configure || exit 1
sessions renamed
converge balancer list
echo "== renamed again"
converge configure
echo "== replaced"
sed -i 's/127.0.0.2/127.0.0.5/' /tmp/stack.json
converge configure || exit 1
sessions replaced
converge configure
echo "== restarted"
service haproxy restart
sleep 1
sessions restarted
converge configure
echo "== rotated"
converge setup || exit 1
requests() { for i in $(seq 1 200); do curl -s -o /dev/null -w '%{http_code}\\n' "http://127.0.0.1/rotated?$1-$i"; done; }
for client in 1 2 3; do
  requests $client > /tmp/codes.$client &
  senders="$senders $!"
done
for i in 1 2 3; do
  until [ "$(cat /tmp/codes.* | wc -l)" -ge $((i * 150)) ]; do sleep 0.1; done
  logrotate -f /etc/logrotate.d/nginx || echo "rotation failed"
done
wait $senders
cat /tmp/codes.* | sort | uniq -c
ls /var/log/nginx
zcat -f /var/log/nginx/access.log* | grep -c 'GET /rotated?'
echo "== undeployed"
converge undeploy
ls /etc/nginx/sites-enabled
pgrep -l 'haproxy|varnishd|nginx' | sort -u -k 2
`

const clients = `import { createServer } from 'node:http'
for (const name of ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'])
  createServer((_, answer) => answer.end(name)).listen(8081, name)
`

const stack = {
  opsworks: {
    instance: { hostname: 'lb1', private_ip: '127.0.0.1', layers: ['lb'] },
    layers: {
      plone_instances: {
        instances: {
          plone1: { private_ip: '127.0.0.2', status: 'online' },
          plone2: { private_ip: '127.0.0.3', private_dns_name: 'plone2.test', status: 'online' },
        },
      },
    },
  },
  plone_instances: { instance_count: 1 },
  haproxy: { retries: 3, enable_stats: true, stats_url: '/balancer/stats', check_interval: 1000 },
  converge: { balancer: { port: 9999 } },
}

t.test('runs as services of the system', async (t) => {
  t.setTimeout(400_000)
  if (!needs(t, [...systemCopyNeeds, 'haproxy', 'varnishd', 'nginx', 'logrotate'])) return
  const copy = systemCopy(t)
  writeFileSync(`${copy.given}/clients.mjs`, clients)
  writeFileSync(`${copy.given}/stack.json`, JSON.stringify(stack, null, 1))
  const { status, output, part } = await copy.run(inside)
  t.equal(status, 0)
  t.match(part('first'), /service_reload nginx for the front end reload nginx/)
  t.match(part('second'), /nothing to do: \d+ unchanged/)
  t.match(part('seen'), /^200\n401\n/m)
  t.match(part('seen'), /haproxy.cfg 600\n.*stats-password 600\n\/var\/lib\/haproxy\/stats 660\ninstances\n/)
  t.match(part('seen'), /plone_instances +plone1-1 +127\.0\.0\.2:8081 +up/)
  t.match(part('seen'), /up +haproxy.*\n.*up +varnish.*\n.*up +nginx/)
  t.match(part('changed'), /service_reload haproxy reload haproxy( [\d.]+ s)?\n2 changed/)
  t.match(part('changed'), /^200$/m)
  t.match(
    part('renamed'),
    /service_reload haproxy reload haproxy.*\n(.*outdated.*\n)?.*would change/,
    'a dry run names the reload',
  )
  t.match(part('renamed'), /service_reload haproxy reload haproxy( [\d.]+ s)?\n(.*outdated.*\n)?1 changed/)
  t.match(part('renamed'), /^ 6 127\.0\.0\.4;$/m, 'visitors reach the new host, and it is not drained')
  t.match(part('renamed'), /plone1-1 +127\.0\.0\.2:8081 +drain/, 'the other stays drained')
  t.match(part('renamed again'), /nothing to do/)
  t.match(part('replaced'), /^ [1-5] 127\.0\.0\.4; [1-5] 127\.0\.0\.5;$/m, 'visitors reach both')
  t.match(part('replaced'), /nothing to do/)
  t.match(part('restarted'), /^ [1-5] 127\.0\.0\.4; [1-5] 127\.0\.0\.5;$/m, 'visitors reach both')
  t.match(part('restarted'), /nothing to do/)
  t.match(
    part('rotated'),
    /^ +600 200\naccess\.log\naccess\.log\.1\naccess\.log\.2\.gz\naccess\.log\.3\.gz\n/m,
    'no request fails',
  )
  t.match(part('rotated'), /\n600\n$/, 'no line is lost while logrotate rotates the log three times')
  t.notMatch(part('undeployed'), /^instances$|haproxy$|varnishd$/m)
  t.match(part('undeployed'), /nginx$/m)
  if (!t.passing()) t.comment(output)
})

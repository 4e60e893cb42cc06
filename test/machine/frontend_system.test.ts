/** The front end as root on the system itself, as services of the machine: in a copy of it that is thrown away. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs, scratch } from '../support/machine.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** The whole file system with a layer over it that takes every write, and a network of its own. */
const copyOfSystem = `set -e
cd "$1"
mkdir layer system
mount -t tmpfs -o mode=755 tmpfs layer
mkdir layer/upper layer/work
mount -t overlay overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work system
mount -t proc proc system/proc
mount --rbind /dev system/dev
mount -t tmpfs tmpfs system/tmp
mount -t tmpfs -o mode=755 tmpfs system/run
cp inside.sh stack.json clients.mjs system/tmp/
ip link set lo up
exec chroot system /bin/bash /tmp/inside.sh "$2"`

const inside = `cd "$1"
export HOME=/root LANG=C.UTF-8
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
stat -c '%n %a' /etc/haproxy/haproxy.cfg /etc/haproxy/stats-password /tmp/haproxy.sock
ls /etc/nginx/sites-enabled
converge balancer list
converge status
echo "== changed"
sed -i 's/"retries": 3/"retries": 4/' /tmp/stack.json
converge configure
page http://127.0.0.1/other
echo "== undeployed"
converge undeploy
ls /etc/nginx/sites-enabled
pgrep -l 'haproxy|varnishd|nginx' | sort -u -k 2
`

const clients = `import { createServer } from 'node:http'
for (const name of ['127.0.0.2', '127.0.0.3'])
  createServer((_, answer) => answer.end(name)).listen(8081, name)
`

const stack = {
  opsworks: {
    instance: { hostname: 'lb1', private_ip: '127.0.0.1', layers: ['lb'] },
    layers: {
      plone_instances: {
        instances: {
          plone1: { private_ip: '127.0.0.2', status: 'online' },
          plone2: { private_ip: '127.0.0.3', status: 'online' },
        },
      },
    },
  },
  plone_instances: { instance_count: 1 },
  haproxy: { retries: 3, enable_stats: true, stats_url: '/balancer/stats', check_interval: 1000 },
  converge: { balancer: { port: 9999 } },
}

t.test('services of the machine', async (t) => {
  t.setTimeout(180_000)
  if (!needs(t, ['root', 'haproxy', 'varnishd', 'nginx', 'tmpfs', 'overlay'])) return
  const place = scratch(t)
  writeFileSync(`${place}/inside.sh`, inside)
  writeFileSync(`${place}/clients.mjs`, clients)
  writeFileSync(`${place}/stack.json`, JSON.stringify(stack, null, 1))
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--propagation', 'private']
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [...namespaces, 'bash', '-c', copyOfSystem, 'bash', place, project],
    {
      encoding: 'utf8',
      timeout: 150_000,
      env: { PATH: process.env.PATH },
    },
  )
  const parts = new Map(stdout.split(/^== /m).map((part) => [part.slice(0, part.indexOf('\n')), part]))
  const part = (name: string) => parts.get(name) ?? ''
  t.equal(status, 0)
  t.match(part('first'), /service_reload nginx for the front end reload nginx/)
  t.match(part('second'), /nothing to do: \d+ unchanged/)
  t.match(part('seen'), /^200\n401\n/m)
  t.match(part('seen'), /haproxy.cfg 600\n.*stats-password 600\n\/tmp\/haproxy.sock 660\ninstances\n/)
  t.match(part('seen'), /plone_instances +plone1-1 +127\.0\.0\.2:8081 +up/)
  t.match(part('seen'), /up +haproxy.*\n.*up +varnish.*\n.*up +nginx/)
  t.match(part('changed'), /service_reload haproxy reload haproxy\n2 changed/)
  t.match(part('changed'), /^200$/m)
  t.notMatch(part('undeployed'), /^instances$|haproxy$|varnishd$/m)
  t.match(part('undeployed'), /nginx$/m)
  if (!t.passing()) t.comment(`${stdout}\n${stderr}`)
})

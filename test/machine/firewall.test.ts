/** Tests the firewall with the kernel: in a network of the test's own, whose other end is a client. */
import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

t.setTimeout(120_000)

const recipe = `import { firewall, role } from 'converge-engine'

const allow = [{ services: ['ssh'] }, { ports: [8081, '8080-8082'], from: ['10.9.0.2'], comment: 'the client' }]
const of = (name, rules) => role(name, { doc: 'Declares the firewall', setup: (r) => firewall(r, rules) })

export const closed = of('closed', { allow, blocked: ['10.9.0.9'], forward: 'drop', policy: 'reject' })
export const locked = of('locked', { allow: [{ services: ['ssh'], from: ['192.0.2.0/24'] }] })
export const wrong = of('wrong', { allow: [{ services: ['ssh'] }, { from: ['10.0.0.1/99'] }] })
export const gone = of('gone', { absent: true })
`

const script = `converge() { node dist/start.cjs --recipes /tmp/recipes --role "$@"; }
# The client is in another network, and connected by SSH.
unshare --net sleep 100 & client=$!
sleep 0.2
ip link add v0 type veth peer name v1 netns $client
ip addr add 10.9.0.1/24 dev v0; ip link set v0 up
in_client() { nsenter --net --target $client "$@"; }
in_client sh -c 'ip addr add 10.9.0.2/24 dev v1; ip link set v1 up; ip link set lo up'
for port in 22 8080 8090; do python3 -m http.server $port >/dev/null 2>&1 & done
until ss -Htln | grep -q :8090 && ss -Htln | grep -q :8080 && ss -Htln | grep -q :22; do sleep 0.1; done
in_client bash -c 'exec 3<>/dev/tcp/10.9.0.1/22; sleep 100' &
get() { in_client curl -s -m 2 -o /dev/null -w "$1 %{http_code} %{exitcode}\\n" http://10.9.0.1:$1/; }
echo "== before"
get 8090
echo "== locked"
converge locked
echo "== plan"
converge closed plan
echo "== planned"
nft list tables
ls /etc/nftables.d
echo "== run"
converge closed || exit 1
converge closed || exit 1
echo "== rules"
nft list table inet converge
for port in 22 8080 8090; do get $port; done
curl -s -m 2 -o /dev/null -w "local %{http_code}\\n" http://127.0.0.1:8090/
echo "== changed"
nft add rule inet converge input tcp dport 8090 accept
converge closed || exit 1
nft flush ruleset
converge closed || exit 1
get 8090
echo "== gone"
converge gone || exit 1
converge gone || exit 1
get 8090
nft list tables
ls /etc/nftables.d
kill %1 %2 %3 %4 %5
`

t.test('the firewall accepts what is allowed, and nothing else', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'nft', 'sshd', 'network namespaces', 'python3'])) return
  const copy = systemCopy(t)
  mkdirSync(`${copy.given}/recipes`)
  writeFileSync(`${copy.given}/recipes/firewall.ts`, recipe)
  const { output, part } = await copy.run(script)
  t.match(part('before'), '8090 200', output)
  t.match(part('locked'), /would keep 10\.9\.0\.2 out, which is connected by SSH now/, output)
  t.match(part('plan'), /1 would change/)
  t.notMatch(part('planned'), 'inet converge', 'a dry run loads nothing')
  t.match(part('run'), /nothing to do: 1 unchanged/, output)
  t.match(part('rules'), /tcp dport 8080-8082 accept comment "the client"/)
  t.match(part('rules'), /^22 200 0\n8080 200 0\n8090 000 7$/m, 'allowed, allowed, rejected')
  t.match(part('rules'), 'local 200')
  t.equal(part('changed').match(/1 changed/g)?.length, 2, output)
  t.match(part('changed'), '8090 000 7')
  t.match(part('gone'), /nothing to do: 1 unchanged/)
  t.match(part('gone'), '8090 200 0\n')
  t.notMatch(part('gone'), /table inet converge|converge\.nft/)
})

/**
 * Tests certificates from an authority on a disposable copy of the system: certbot's webroot in the nginx of the
 * frontend.
 */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { needs, selfSigned } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

t.setTimeout(240_000)

const inside = `converge() { node --import tsx recipes/converge.ts configure --role frontend --node-json "$1"; }
page() { curl -s -o /dev/null -w '%{http_code}\\n' --retry 20 --retry-delay 1 --retry-all-errors --fail "$@"; }
shown() { openssl s_client -connect 127.0.0.1:443 -servername "$1" < /dev/null 2> /tmp/s_client | openssl x509 -noout "\${@:2}"; }
node /tmp/client.mjs &
mkdir -p /etc/letsencrypt
# How an authority of one's own is named to certbot.
printf '%s\\n' 'server = https://127.0.0.1:14000/dir' 'no-verify-ssl = true' > /etc/letsencrypt/cli.ini
echo "== before"
converge /tmp/stack.json || exit 1
page http://127.0.0.1/
ls /etc/nginx/sites-enabled
pebble-challtestsrv -defaultIPv6 '' -defaultIPv4 127.0.0.1 -http01 '' -https01 '' -tlsalpn01 '' > /tmp/dns.log 2>&1 &
# Pebble rejects 5 % of the good nonces otherwise; certbot 2.1 may then end with an AttributeError.
PEBBLE_WFE_NONCEREJECT=0 PEBBLE_VA_NOSLEEP=1 pebble -config /tmp/pebble.json -dnsserver 127.0.0.1:8053 > /tmp/pebble.log 2>&1 &
curl -sk -o /dev/null --retry 30 --retry-delay 1 --retry-all-errors https://127.0.0.1:14000/dir || { cat /tmp/pebble.log; exit 1; }
echo "== first"
converge /tmp/stack.json || exit 1
page -k --resolve www.example.test:443:127.0.0.1 https://www.example.test/
page http://127.0.0.1/
shown www.example.test -issuer -ext subjectAltName
echo "== second"
converge /tmp/stack.json
echo "== renewed"
before=$(shown www.example.test -serial)
certbot -q renew --force-renewal --no-random-sleep-on-renew 2> /tmp/certbot.log || cat /tmp/certbot.log
for _ in $(seq 50); do [ "$(shown www.example.test -serial)" != "$before" ] && echo 'another one is shown' && break; sleep 0.2; done
echo "== more"
converge /tmp/more.json || exit 1
shown more.example.test -ext subjectAltName
echo "== fewer"
converge /tmp/stack.json || exit 1
shown www.example.test -ext subjectAltName
echo "== without"
sed 's/"certbot_domains"/"other"/' /tmp/stack.json > /tmp/without.json
converge /tmp/without.json
ls /etc/nginx/sites-enabled
echo "== again"
converge /tmp/stack.json || exit 1
page -k --resolve www.example.test:443:127.0.0.1 https://www.example.test/
echo "== log"
tail -n 40 /tmp/pebble.log
`

const client = `import { createServer } from 'node:http'
createServer((_, answer) => answer.end('a page')).listen(8081, '127.0.0.2')
`

const stack = (certbot_domains: readonly string[]) => ({
  opsworks: {
    instance: { hostname: 'lb1', private_ip: '127.0.0.1', layers: ['lb'] },
    layers: { plone_instances: { instances: { plone1: { private_ip: '127.0.0.2', status: 'online' } } } },
  },
  plone_instances: { instance_count: 1 },
  certbot_domains,
})

t.test('gets a certificate, renews it, and adds a name', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'haproxy', 'varnishd', 'nginx', 'openssl', 'certbot', 'pebble'])) return
  const copy = systemCopy(t)
  const file = (name: string, content: string | object) =>
    writeFileSync(`${copy.given}/${name}`, typeof content === 'string' ? content : JSON.stringify(content))
  const names = ['www.example.test', 'intranet.example.test']
  file('client.mjs', client)
  file('stack.json', stack(names))
  file('more.json', stack([...names, 'more.example.test']))
  const own = selfSigned(t, 'localhost')
  file('pebble.crt', own.certificate)
  file('pebble.key', own.key)
  file('pebble.json', {
    pebble: {
      listenAddress: '127.0.0.1:14000',
      managementListenAddress: '127.0.0.1:15000',
      certificate: '/tmp/pebble.crt',
      privateKey: '/tmp/pebble.key',
      httpPort: 80,
      tlsPort: 443,
    },
  })
  const { status, output, part } = await copy.run(inside)
  t.equal(status, 0)
  t.match(part('before'), /execute certificate for the site of plone_instances failed \(ignored\)/)
  t.match(part('before'), /^200\ninstances$/m, 'the site answers without TLS')
  t.match(part('first'), /^200\n200\nissuer=CN = Pebble Intermediate/m)
  t.match(part('first'), /DNS:www\.example\.test, DNS:intranet\.example\.test|DNS:intranet.*, DNS:www/)
  t.match(part('second'), /nothing to do/)
  t.match(part('renewed'), /another one is shown/, 'nginx loads it automatically')
  t.match(part('more'), /DNS:more\.example\.test/)
  t.match(part('fewer'), /DNS:www\.example\.test/)
  t.notMatch(part('fewer'), /DNS:more/)
  t.notMatch(part('without'), /^instances-ssl$/m)
  t.match(part('again'), /^200$/m, 'with the existing certificate')
  if (!t.passing()) t.comment(output)
})

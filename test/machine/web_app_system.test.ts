/** Tests port-app and php-app side by side, as root on a disposable copy of the system. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

const example = fileURLToPath(new URL('../../fixtures/example-node-app', import.meta.url))

const inside = `# The packages are installed before, and converge starts their services.
rm -f /usr/sbin/policy-rc.d
converge() { node --import tsx recipes/converge.ts "$@" --role port-app,php-app --json /tmp/site.json; }
page() { curl -s --retry 20 --retry-delay 1 --retry-all-errors --fail -H "Host: $1" "http://127.0.0.1$2"; }
pages() { page shop.test / | cut -d ' ' -f 1; page wiki.test /; }
unknown() { for name in nobody.test 127.0.0.1 ''; do curl -s -o /dev/null -w '%{http_code} ' -H "Host: $name" http://127.0.0.1/; done; echo; }
echo "== first"
converge setup || exit 1
converge deploy || exit 1
echo "== second"
converge setup
converge deploy
echo "== seen"
pages
unknown
ps -eo user:20,args | grep -E 'server.js|php-fpm: pool wiki' | grep -v grep | cut -d ' ' -f 1 | sort -u | tr '\\n' ' '
ls /etc/nginx/sites-enabled | tr '\\n' ' '
converge status
echo "== changed"
echo two > /tmp/node-app/VERSION
sed -i 's/one/two/' /tmp/php-app/index.php
converge deploy || exit 1
pages
echo "== back"
converge rollback || exit 1
pages
echo "== undeployed"
converge undeploy
echo "== left"
ls /etc/nginx/sites-enabled /etc/nginx/conf.d /etc/php/*/fpm/pool.d /etc/supervisor/conf.d
pgrep -f server.js
exit 0
`

const site = {
  port_app: {
    app_name: 'shop',
    command: `${process.execPath} server.js --port %{port}`,
    health: { path: '/healthz' },
    domains: ['shop.test'],
  },
  php_app: { app_name: 'wiki', domains: ['wiki.test'], health: { deadline_seconds: 20 } },
  deploy: Object.fromEntries(
    [
      ['shop', 'node-app'],
      ['wiki', 'php-app'],
    ].map(([app, from]) => [app, { scm: { scm_type: 'directory', repository: `/tmp/${from}` } }]),
  ),
}

t.test('deploys a server and a PHP app on one host', async (t) => {
  t.setTimeout(5 * 60_000)
  if (!needs(t, [...systemCopyNeeds, 'git', 'nginx', 'php-fpm', 'supervisord', 'apt'])) return
  const copy = systemCopy(t)
  writeFileSync(`${copy.given}/site.json`, JSON.stringify(site))
  cpSync(example, `${copy.given}/node-app`, { recursive: true })
  mkdirSync(`${copy.given}/php-app`)
  writeFileSync(`${copy.given}/php-app/index.php`, "<?php echo 'one ' . basename(dirname(__DIR__)) . PHP_EOL;")
  const { status, output, part } = await copy.run(inside)
  if (status !== 0) t.comment(output)
  t.equal(status, 0)
  const [first, second, installed] = [part('first'), part('second'), part('seen')]
  const [changed, back, left] = [part('changed'), part('back'), part('left')]
  t.notMatch(first, /failed/)
  t.match(second, /nothing to do.*nothing to do/s)
  t.match(installed, /^one\none releases$/m)
  t.match(installed, /^404 404 400 $/m, 'an unknown host name gets 404, and a request without one is refused')
  t.notMatch(installed, /\bdefault\b/, "Debian's own site is not served")
  t.match(installed, /^deploy/m, 'both run as the account of the app')
  t.match(installed, /\bshop wiki\b/)
  t.match(installed, /up .*shop-9090/)
  t.match(changed, /^two\ntwo releases$/m)
  t.match(back, /^one\none releases$/m)
  t.match(left, /www\.conf/, 'what others have there stays')
  t.notMatch(left, /shop|wiki|converge|^\d+$/m, 'nothing of the apps is left')
})

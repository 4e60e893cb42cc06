/**
 * Tests which ports get a site that answers 404 for unknown host names, next to sites of converge, of others and of
 * Debian.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { statusFile } from '../../../resources/packages/dpkg.ts'
import { service_reload } from '../../../resources/services/service_reload.ts'
import { nginx_default_sites } from '../../../resources/web/nginx_default_sites.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const [enabled, confDir] = ['/etc/nginx/sites-enabled', '/etc/nginx/conf.d']
const props = { app: 'shop', enabled, confDir }
const own = '# Written by converge, changes are overwritten.\n'
const at = (port: number) => `${confDir}/converge-default-${port}.conf`
const site = (name: string, port = 80, more = '') =>
  `${own}server {\n    listen ${port};\n    server_name ${name};\n    # server { listen 81; }\n${more}}\n`
const tls = (name: string) => `${own}server {
    listen 80;
    server_name ${name};
    listen 443 ssl http2;
    ssl_certificate /etc/nginx/ssl/${name}.pem;
    ssl_certificate_key /etc/nginx/ssl/${name}.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_client_certificate /other;
}
`
const debian = `server {
\tlisten 80 default_server;
\tlisten [::]:80 default_server;
\tserver_name _;
}
`
const distribution = { link: `${enabled}/default`, file: '/etc/nginx/sites-available/default' }
const status = (content: string) =>
  `Package: nginx-common\nStatus: install ok installed\nConffiles:\n /etc/default/nginx 0123\n ${distribution.file} ${createHash('md5').update(content).digest('hex')}\n`

const plain = `${own}# Answers for host names that no site of this port has.
server {
    listen 80;
    server_name _;
    return 404;
}
`

contract(t, nginx_default_sites, [
  {
    name: 'answers for unknown names beside a site with names',
    props,
    given: (host) => void host.given(confDir, null).given(`${enabled}/shop`, site('shop.test')),
    then: (t, host) => t.equal(host.readText(at(80)), plain),
  },
  {
    name: 'answers at several ports, and with TLS by the certificate of the first site',
    props,
    given: (host) =>
      void host
        .given(confDir, null)
        .given(`${enabled}/a`, site('a.test', 8080))
        .given(`${enabled}/b`, tls('b.test'))
        .given(`${enabled}/c`, tls('c.test')),
    then(t, host) {
      t.strictSame(host.list(confDir), [80, 443, 8080].map((port) => at(port).slice(confDir.length + 1)).sort())
      const text = host.readText(at(443))
      t.match(text, /listen 443 ssl http2;\n {4}server_name _;\n {4}ssl_certificate \/etc\/nginx\/ssl\/b\.test\.pem;/)
      t.match(text, /ssl_protocols TLSv1\.2 TLSv1\.3;\n {4}return 404;/)
      t.notMatch(text, /other|c\.test/)
    },
  },
  {
    name: 'a site that answers any name needs no default site',
    props,
    given: (host) =>
      void host
        .given(confDir, null)
        .given(`${enabled}/shop`, site('_', 80).replace(':80', '').replace('listen 80', 'listen 80 default_server')),
    changes: [],
  },
  {
    name: 'beside the default server of the frontend, a site with names needs no default site',
    props,
    given: (host) =>
      void host
        .given(at(80), plain)
        .given(`${enabled}/instances`, site('_').replace('listen 80', 'listen 80 default_server'))
        .given(`${enabled}/shop`, site('shop.test')),
    then: (t, host) => t.equal(host.lstat(at(80)), null, 'the earlier one is removed'),
  },
  {
    name: 'removes the default site of a port that another site of this run answers',
    props: { ...props, answered: [80] },
    given: (host) =>
      void host
        .given(`${enabled}/shop`, site('shop.test'))
        .given(`${enabled}/a`, site('a.test', 8080))
        .given(at(80), plain),
    then: (t, host) => {
      t.equal(host.lstat(at(80)), null)
      t.match(host.readText(at(8080)), /return 404/)
    },
  },
  {
    name: 'leaves a catch-all site of others the default',
    props,
    given: (host) =>
      void host
        .given(`${confDir}/own.conf`, 'server { listen *:80; server_name _; return 444; }')
        .given(`${enabled}/shop`, site('shop.test')),
    changes: [],
  },
  {
    name: 'does not take sites of others with names or their own address for catch-all sites',
    props,
    given: (host) =>
      void host
        .given(`${confDir}/own.conf`, 'upstream x { server 127.0.0.1:1; }\nserver { listen 80; server_name old.test; }')
        .given(`${enabled}/inner`, 'server { listen 127.0.0.1:80; }')
        .given(`${enabled}/shop`, site('shop.test')),
    then: (t, host) => t.equal(host.readText(at(80)), plain),
  },
  {
    name: "disables Debian's own site if it is unchanged",
    props: { ...props, distribution },
    given: (host) => {
      host.given(confDir, null).given(distribution.file, debian).given(statusFile, status(debian))
      host.given(`${enabled}/shop`, site('shop.test'))
      host.given(distribution.link, { link: distribution.file })
    },
    then(t, host) {
      t.equal(host.lstat(distribution.link), null)
      t.equal(host.readText(distribution.file), debian, 'the file itself stays')
      t.equal(host.readText(at(80)), plain)
    },
  },
  {
    name: "disables Debian's own site at a port that another site of this run answers",
    props: { ...props, distribution, answered: [80] },
    given: (host) => {
      host.given(confDir, null).given(distribution.file, debian).given(statusFile, status(debian))
      host.given(`${enabled}/shop`, site('shop.test'))
      host.given(distribution.link, { link: distribution.file })
    },
    then(t, host) {
      t.equal(host.lstat(distribution.link), null)
      t.equal(host.lstat(at(80)), null)
    },
  },
  {
    name: "leaves Debian's own site if it was changed by hand",
    props: { ...props, distribution },
    given: (host) => {
      host.given(confDir, null).given(distribution.file, `${debian}# ours`).given(statusFile, status(debian))
      host.given(`${enabled}/shop`, site('shop.test'))
      host.given(distribution.link, { link: distribution.file })
    },
    changes: [],
  },
  {
    name: 'removes the default site with the last site',
    props,
    given: (host) => void host.given(enabled, null).given(at(80), plain).given(`${confDir}/x.conf`, ''),
    then: (t, host) => t.strictSame(host.list(confDir), ['x.conf']),
  },
])

t.test('reloads a site that was changed, loaded and restored', async (t) => {
  const calls: string[] = []
  const host = new VirtualHost({
    commands: (argv) => {
      calls.push(argv.slice(0, 3).join(' '))
      return {}
    },
  })
  host.given('/etc/init.d/nginx', '', '0755').given(confDir, null).given(`${enabled}/shop`, site('shop.test'))
  const plan = planOf((r) => {
    const sites = nginx_default_sites(r, { ...props, ports: [80, 443] })
    service_reload(r, { name: 'nginx', when: [sites] })
  })
  const reloads = async () => {
    calls.length = 0
    t.strictSame(failureOf(await run(plan, host)), undefined)
    return calls.filter((call) => call === 'service nginx reload').length
  }
  t.equal(await reloads(), 1)
  t.equal(await reloads(), 0)
  const text = host.readText(at(80)) ?? ''
  host.writeFile(at(80), text.replace('404', '403'))
  host.writeFile(at(80), text)
  t.match(await run(plan, new VirtualHost({ base: host }), 'plan'), { outcome: 'planned' })
  t.equal(await reloads(), 1)
  t.equal(await reloads(), 0)
})

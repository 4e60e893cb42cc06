/** Gives a host in memory what the roles php-app, port-app and jetty-app need: a web server and programs. */
import type { FakeHost } from './fake_host.ts'

const services = ['nginx', 'php-fpm8.2', 'service'].map((name) => `/usr/sbin/${name}`)
const directories = ['sites-available', 'sites-enabled', 'conf.d'].map((name) => `/etc/nginx/${name}`)

/** Gives the host a web server that accepts each configuration, and servers that come up at each port. */
export function giveWebServer(host: FakeHost): void {
  for (const path of [...services, '/usr/bin/node', '/usr/bin/java', '/etc/init.d/nginx', '/etc/init.d/php8.2-fpm'])
    host.machine.given(path, '', '0755')
  for (const path of [...directories, '/var/log/nginx', '/etc/php/8.2/fpm/pool.d']) host.machine.given(path, null)
  for (const port of [9090, 9091]) host.programs[`site-${port}`] = { port, fault: undefined }
}

/** Tests that a run detects other files that override one of converge's, before it changes anything. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { refuseOverride } from '../../recipes/checks/overrides.ts'
import { dropInOverride, poolOverride } from '../../resources/services/overrides.ts'

t.test('warns about a php-fpm pool in another file', (t) => {
  const host = new VirtualHost()
    .given('/etc/php/8.2/fpm/pool.d/www.conf', '[www]\nlisten = /run/www.sock\n')
    .given('/etc/php/8.2/fpm/pool.d/shop.conf', '[shop]\n')
    .given('/etc/php/8.2/fpm/pool.d/zz.conf.off', '[shop]\n')
  const find = () => poolOverride(host, '/etc/php/8.2/fpm/pool.d/shop.conf', 'shop')
  t.equal(find(), null)
  host.given('/etc/php/8.2/fpm/pool.d/zz.conf', '; old\n[shop]\npm = static\n')
  t.match(find(), { message: /shop.*pool\.d\/shop\.conf, and in .*zz\.conf/ })
  t.throws(() => refuseOverride(find()), { code: 'OVERRIDDEN', usage: true })
  t.end()
})

t.test('warns about a drop-in that sorts after its own', (t) => {
  const host = new VirtualHost()
    .given('/etc/systemd/system/varnish.service.d/converge.conf', '[Service]\nExecStart=\nExecStart=/x\n')
    .given('/etc/systemd/system/varnish.service.d/aaa.conf', '[Service]\nExecStart=\nExecStart=/y\n')
    .given('/etc/systemd/system/varnish.service.d/limits.conf', '[Service]\nLimitNOFILE=9\n')
  const find = () => dropInOverride(host, 'varnish.service', 'converge.conf')
  t.equal(find(), null)
  t.doesNotThrow(() => refuseOverride(find()))
  host.given('/run/systemd/system/varnish.service.d/override.conf', '[Service]\nExecStart=\nExecStart=/z\n')
  t.match(find(), { message: /override\.conf sets ExecStart of varnish\.service/ })
  t.end()
})

/**
 * Tests the types for swap, locales, certificates, packages of npm and repositories of apt as root on a disposable copy of the system, with its programs.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

t.setTimeout(300_000)

const recipe = `import { readFileSync } from 'node:fs'
import { apt_repository, certificate, locale, npm_install, role, swap } from 'converge-engine'

const source = { uris: ['file:/srv/repo'], suites: ['./'] }

export const types = role('types', {
  doc: 'Declares one of each',
  setup(r) {
    swap(r, { path: '/mnt/area', size: '8M', priority: 7 })
    locale(r, { lang: 'de_CH.UTF-8' })
    const ca = { certificate: '/etc/ssl/own-ca.crt', key: '/etc/ssl/private/own-ca.key' }
    certificate(r, { path: ca.certificate, key: ca.key, commonName: 'Own CA', authority: true, days: 3650 })
    certificate(r, { path: '/etc/ssl/shop.crt', key: '/etc/ssl/private/shop.key', names: ['shop.test', '10.0.0.5'], issuer: ca })
    certificate(r, { path: '/etc/ssl/self.crt', key: '/etc/ssl/private/self.key', names: ['*.self.test'], keyType: 'rsa-2048' })
    npm_install(r, { path: '/srv/app', user: 'robot' })
    apt_repository(r, { name: 'own', ...source, key: { content: readFileSync('/srv/repo/key.asc', 'utf8') } })
  },
})

export const later = role('later', {
  doc: 'Declares other values of some, and removes others',
  setup(r) {
    swap(r, { path: '/mnt/area', absent: true })
    locale(r, { lang: 'C.UTF-8', variables: { LC_TIME: 'de_CH.UTF-8' } })
    certificate(r, { path: '/etc/ssl/self.crt', key: '/etc/ssl/private/self.key', names: ['www.self.test'], renewBefore: 200 })
    npm_install(r, { path: '/srv/app', user: 'robot', allowScripts: true })
    apt_repository(r, { name: 'own', absent: true })
  },
})

export const broken = role('broken', {
  doc: 'Declares what the programs refuse',
  setup(r) {
    swap(r, { path: '/tmp/area', size: '1M', ignoreFailure: true })
    apt_repository(r, { name: 'forged', ...source, signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg', ignoreFailure: true })
  },
})
`

const script = `converge() { node --import tsx recipes/converge.ts --recipes /tmp/recipes --role "$@"; }
trap 'swapoff /mnt/area 2> /tmp/swapoff' EXIT
truncate -s 48M /tmp/image
mkfs.ext4 -q /tmp/image
mount -o loop /tmp/image /mnt
mkdir -p /tmp/package/DEBIAN /srv/repo
printf 'Package: own-package\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' > /tmp/package/DEBIAN/control
cd /srv/repo
dpkg-deb --build /tmp/package own.deb > /tmp/built
{ dpkg-deb --field own.deb; echo "Filename: ./own.deb"; echo "Size: $(stat -c %s own.deb)"; echo "SHA256: $(sha256sum < own.deb | cut -d' ' -f1)"; } > Packages
printf 'Suite: own\\nDate: %s\\nSHA256:\\n %s %s Packages\\n' "$(date -Ru)" "$(sha256sum < Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" > Release
mkdir -m 700 /tmp/gpg
export GNUPGHOME=/tmp/gpg
gpg --batch --quiet --passphrase '' --quick-gen-key 'Repository <repository@shop.test>' ed25519 sign never || exit 1
gpg --quiet --export --armor > key.asc
gpg --quiet --clearsign --output InRelease Release || exit 1
cd - > /tmp/built
useradd --create-home robot
mkdir -p /srv/app/package
cd /srv/app
echo '{ "name": "dep", "version": "1.0.0", "scripts": { "postinstall": "touch /srv/app/script-has-run" } }' > package/package.json
echo 'module.exports = "from dep"' > package/index.js
tar -czf dep.tgz package
echo '{ "name": "app", "version": "1.0.0", "dependencies": { "dep": "file:dep.tgz" } }' > package.json
npm install --package-lock-only --offline --no-audit > /tmp/lock || exit 1
chown -R robot: .
cd - > /tmp/lock
echo "== plan"
converge types plan || exit 1
echo "== run"
converge types || exit 1
echo "== again"
converge types || exit 1
echo "== programs"
cat /proc/swaps /etc/fstab /etc/default/locale
stat -c '%a %s' /mnt/area
cat > /tmp/tls.mjs <<'END'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:tls'
const read = (name) => readFileSync('/etc/ssl/' + name)
const server = createServer({ cert: read('shop.crt'), key: read('private/shop.key') }, (socket) => socket.end())
server.listen(8443, () => {
  const client = connect({ port: 8443, ca: read('own-ca.crt'), servername: 'shop.test' }, () => {
    console.log('trusted ' + client.authorized)
    process.exit()
  })
  client.on('error', (error) => process.exit(console.log(error.message)))
})
END
node /tmp/tls.mjs
apt-get install -qy own-package > /tmp/apt.log 2>&1
grep 'Setting up' /tmp/apt.log || cat /tmp/apt.log
su robot -c 'cd /srv/app && node -p "require(\\"dep\\")"'
stat -c '%U %n' /srv/app/node_modules/dep
ls /srv/app
openssl verify -CAfile /etc/ssl/own-ca.crt -verify_ip 10.0.0.5 -purpose sslserver /etc/ssl/shop.crt
openssl verify -CAfile /etc/ssl/self.crt -verify_hostname www.self.test /etc/ssl/self.crt
stat -c '%a %n' /etc/ssl/private/*
LC_ALL=de_CH.UTF-8 date -d 2026-01-01 +%B
echo "== later"
converge later || exit 1
echo "== later again"
converge later || exit 1
cat /etc/default/locale
openssl verify -CAfile /etc/ssl/self.crt -verify_hostname www.self.test /etc/ssl/self.crt
ls /srv/app
grep area /proc/swaps /etc/fstab
ls /mnt
echo "== broken"
converge broken
ls -A /etc/apt/keyrings /etc/apt/sources.list.d
ls -A /tmp
`

t.test('settings of the system', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'loop mount', 'locale-gen', 'openssl', 'gpg', 'apt'])) return
  const copy = systemCopy(t)
  mkdirSync(`${copy.given}/recipes`)
  writeFileSync(`${copy.given}/recipes/types.ts`, recipe)
  const { output, part } = await copy.run(script)
  t.match(part('plan'), /6 would change, 1 known only in the run/, output)
  t.match(part('again'), /nothing to do: 7 unchanged/, output)
  t.match(part('later again'), /nothing to do: 5 unchanged/, output)

  await t.test('swap', async (t) => {
    t.match(part('programs'), /^\/mnt\/area\s+file\s+8\d{3}\s+\d+\s+7$/m, 'the kernel uses it')
    t.match(part('programs'), /^\/mnt\/area none swap sw,pri=7 0 0$/m)
    t.match(part('programs'), /^600 8388608$/m)
    t.notMatch(part('later again'), 'area', 'nothing is left')
    t.match(part('broken'), /the kernel does not use the swap file \/tmp\/area.*ext4 or xfs/s)
    t.notMatch(part('broken'), /^area/m, 'the file is removed again')
  })

  await t.test('certificate', async (t) => {
    t.match(part('programs'), 'trusted true', 'a client trusts it by the CA')
    t.match(part('programs'), '/etc/ssl/shop.crt: OK')
    t.match(part('programs'), '/etc/ssl/self.crt: OK')
    for (const name of ['own-ca', 'self', 'shop']) t.match(part('programs'), `600 /etc/ssl/private/${name}.key`)
    t.match(part('later again'), '/etc/ssl/self.crt: OK', 'made again for the other name')
  })

  await t.test('apt', async (t) => {
    t.match(part('programs'), 'Setting up own-package (1.0)')
    t.match(part('broken'), /cannot read the repository forged, so it is not installed.*NO_PUBKEY/s)
    t.notMatch(part('broken'), /^(forged|own)\./m, 'no file is left')
    t.notMatch(part('broken'), 'converge-check')
  })

  await t.test('npm', async (t) => {
    t.match(part('programs'), 'from dep', 'the app has its package')
    t.match(part('programs'), 'robot /srv/app/node_modules/dep')
    t.notMatch(part('programs'), 'script-has-run')
    t.match(part('later again'), 'script-has-run', 'allowed')
  })

  await t.test('locale', async (t) => {
    t.match(part('programs'), /^LANG=de_CH\.UTF-8$/m)
    t.match(part('programs'), /^Januar$/m, 'programs have the locale')
    t.match(part('later again'), 'LANG=C.UTF-8\nLC_TIME=de_CH.UTF-8\n')
  })
})

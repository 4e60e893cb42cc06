/** Proves the hints for failures caused by the host: real programs fail, and succeed after the hint was followed. */
import t from 'tap'
import { proveShell } from '../support/shell_proofs.ts'

const source = 'core/model/failures/system.ts'

/** A certificate for /CN=localhost. */
const certificate =
  'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out crt'

/** Starts a server at an unused port, which is in $port as soon as it listens. */
const serve = (code: string) => `
cat >server.mjs <<'end'
import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
const server = createServer((_, answer) => answer.end('yes'))
${code}
server.listen(0, '127.0.0.1', () => writeFileSync('port', String(server.address().port)))
end
'${process.execPath}' server.mjs &
until [ -s port ]; do sleep 0.05; done
port=$(cat port)`

t.test('the hints about accounts and repositories work', async (t) => {
  proveShell(t, [
    {
      source,
      hint: 'give it to the account that runs git (chown -R), or trust it: git config --system --add safe.directory …/site',
      needs: ['root', 'git'],
      given: 'export GIT_CONFIG_SYSTEM=$PWD/system; git init -q site; chown -R 65534 site',
      fails: 'git -C site status',
      repair: 'git config --system --add safe.directory $PWD/site',
    },
    {
      source,
      hint: 'give it to the account that runs git (chown -R), or trust it: git config --system --add safe.directory …/site',
      needs: ['root', 'git'],
      given: 'git init -q site; chown -R 65534 site',
      fails: 'git -C site status',
      repair: 'chown -R 0 site',
    },
    {
      source,
      hint: 'stop what runs as hinted (ps -u hinted lists it; converge stop stops the programs of the app), then run again',
      alone: true,
      given:
        'useradd --uid 54242 hinted; setpriv --reuid 54242 sleep 600 & until ps -u hinted >ps; do sleep 0.05; done',
      fails: 'usermod --uid 54243 hinted',
      repair: 'kill $(ps -o pid= -u hinted); wait',
    },
    {
      source,
      hint: 'run again; if no useradd, usermod or vipw runs, remove /etc/passwd.lock',
      alone: true,
      given: 'echo none >/etc/passwd.lock',
      fails: 'useradd hinted',
      repair: '! pgrep -x "useradd|usermod|vipw" && rm /etc/passwd.lock',
    },
  ])
})

t.test('the hints about certificates work', async (t) => {
  proveShell(t, [
    {
      source,
      hint: 'compare the clock of this host with the true time (date), and synchronize it (timedatectl set-ntp true)',
      needs: ['openssl'],
      given: `${certificate}; clock='-attime 86400'`,
      fails: 'openssl verify -CAfile crt $clock crt',
      repair: 'clock="-attime $(date +%s)"',
    },
    {
      source,
      hint: 'compare the clock of this host with the true time (date), and synchronize it (timedatectl set-ntp true); if the clock is right, renew the certificate',
      needs: ['openssl'],
      given: `${certificate}; clock="-attime $(date -d '+9 days' +%s)"`,
      fails: 'openssl verify -CAfile crt $clock crt',
      repair: 'clock="-attime $(date +%s)"',
    },
    {
      source,
      hint: 'install ca-certificates; for an authority of your own, put its certificate into /usr/local/share/ca-certificates and run update-ca-certificates',
      alone: true,
      needs: ['openssl'],
      given: `${certificate}; mkdir /mnt/own; mount --bind /mnt/own /usr/local/share/ca-certificates`,
      fails: 'openssl verify crt',
      repair: 'cp crt /usr/local/share/ca-certificates/own.crt; update-ca-certificates',
    },
  ])
})

t.test('the hints about the network work', async (t) => {
  proveShell(t, [
    {
      source,
      hint: 'check the variables https_proxy and no_proxy of the run, and the login in them',
      given: `${serve(`
import { connect } from 'node:net'
server.on('connect', (request, socket) => {
  const isKnown = request.headers['proxy-authorization'] === 'Basic ' + btoa('me:secret')
  socket.end(isKnown ? 'HTTP/1.1 200 OK\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n' : 'HTTP/1.1 407 Login\\r\\nContent-Length: 0\\r\\n\\r\\n')
})`)}; export http_proxy=http://127.0.0.1:$port`,
      fails: 'curl -sS --proxytunnel http://site.example/',
      repair: 'export http_proxy=http://me:secret@127.0.0.1:$port',
    },
    {
      source,
      hint: 'check the name, and the name servers of this host: getent hosts none.invalid; cat /etc/resolv.conf',
      given: `${serve('')}; name=none.invalid`,
      fails: 'curl -sS --max-time 20 http://$name:$port/',
      repair: '! getent hosts none.invalid && name=localhost',
    },
    {
      source,
      hint: "find it: ss -ltnp 'sport = :…'; stop it, or set another port in the attributes",
      needs: ['root'],
      given: serve(''),
      fails: `'${process.execPath}' -e "require('net').createServer().listen($port, '127.0.0.1', () => process.exit())"`,
      repair: 'kill $(ss -ltnp "sport = :$port" | grep -o "pid=[0-9]*" | cut -d= -f2); wait',
    },
    {
      source,
      hint: "find it: ss -ltnp 'sport = :…'; end such workers with kill -QUIT PID, stop any other program, or set another port in the attributes",
      needs: ['root', 'nginx'],
      given: `port=$('${process.execPath}' -e 'const one = require("net").createServer().listen(0, () => { console.log(one.address().port); one.close() })' | head -n 1)
printf 'pid %s/nginx.pid; error_log stderr; daemon on; events {} http { access_log off; server { listen 127.0.0.1:%s; } }' "$PWD" $port >nginx.conf
chmod 711 . ; /usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf"; kill -9 $(cat nginx.pid)`,
      fails: '/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf"',
      repair: `kill -QUIT $(ss -ltnp "sport = :$port" | grep -o 'pid=[0-9]*' | cut -d= -f2)
while ss -ltn "sport = :$port" | grep -q LISTEN; do sleep 0.1; done`,
      succeeds:
        '/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf" && /usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf" -s quit',
    },
    {
      source,
      hint: 'find it: ss -ltnp; stop it, or set another port in the attributes',
      needs: ['root', 'python3'],
      given: serve(''),
      fails: `/usr/bin/python3 -c "import socket; socket.socket().bind(('127.0.0.1', $port))"`,
      repair: 'kill $(ss -ltnp | grep ":$port " | grep -o "pid=[0-9]*" | cut -d= -f2); wait',
    },
  ])
})

t.test('the hints about disks, memory and limits work', async (t) => {
  proveShell(t, [
    {
      source,
      hint: 'free some space: df -h and df -i show where; then run again',
      alone: true,
      given: 'mkdir small; mount -t tmpfs -o size=64k none small; head -c 60k /dev/zero >small/old',
      fails: 'head -c 10k /dev/zero >small/new',
      repair: 'df -h small; rm small/old small/new',
    },
    {
      source,
      hint: 'find out why (dmesg shows errors of the disk), and mount it writable; then run again',
      alone: true,
      given: 'mkdir closed; mount -t tmpfs -o ro none closed',
      fails: 'touch closed/file',
      repair: 'mount -o remount,rw closed',
    },
    {
      source,
      hint: 'raise it (ulimit -n, LimitNOFILE of the service that started this), then run again',
      needs: ['python3'],
      given: 'ulimit -S -n 40',
      fails: `/usr/bin/python3 -c "all = [open('/dev/null') for _ in range(90)]"`,
      repair: 'ulimit -S -n 100',
    },
    {
      source,
      hint: 'stop the processes that run it (fuser -v … lists them), then run again',
      given: 'cp /bin/sleep busy; ./busy 600 & until grep -q busy /proc/$!/comm; do sleep 0.05; done',
      fails: 'sh -c ": >busy"',
      repair: 'kill $!; wait',
    },
    {
      source,
      hint: 'free memory, add some (swap too), or raise the limit; dmesg shows whether the kernel killed the process',
      needs: ['python3'],
      given: 'ulimit -S -v 400000',
      fails: '/usr/bin/python3 -c "bytes(500_000_000)"',
      repair: 'ulimit -S -v unlimited',
    },
    {
      source,
      hint: 'set LANG and LC_ALL to C.UTF-8 in deploy.<app>.environment, or generate the locale (dpkg-reconfigure locales)',
      needs: ['python3'],
      given: 'export LC_ALL=xx_XX.UTF-8',
      fails: `/usr/bin/python3 -c "import locale; locale.setlocale(locale.LC_ALL, '')"`,
      repair: 'export LANG=C.UTF-8 LC_ALL=C.UTF-8',
    },
  ])
})

/** Tests the role papertrail on a host with systemd; a second rsyslog on the host is the server of the logs. */
import t from 'tap'
import { needs } from '../support/machine.ts'
import { aptProxy } from './support/apt_proxy.ts'
import { writeFileWithParents } from './support/host_files.ts'
import { systemdHostNeeds, testNetwork } from './support/hosts.ts'
import { installProgram } from './support/program_on_host.ts'

const serverConfig = `global(workDirectory="/srv/logs" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="/srv/logs/ca.pem"
  defaultNetstreamDriverCertFile="/srv/logs/cert.pem" defaultNetstreamDriverKeyFile="/srv/logs/key.pem")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="raw" type="string" string="%rawmsg%\\n")
input(type="imtcp" port="16514" address="127.0.0.1")
action(type="omfile" file="/srv/logs/received.log" template="raw")
`

const certificates = `cd /srv/logs
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=ca -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=logs.papertrail.test -addext subjectAltName=DNS:logs.papertrail.test -keyout key.pem -out request.pem
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 9 -out cert.pem`

const startServer = 'systemd-run --quiet --unit=logs rsyslogd -n -f /srv/logs/server.conf -i /srv/logs/pid'

/** Waits for a line at the server. */
const awaitLine = (text: string) =>
  `for i in $(seq 600); do grep -qF -- '${text}' /srv/logs/received.log && exit 0; sleep 0.1; done; exit 1`

t.setTimeout(400_000)

t.test('sends the logs of the host through TLS, and keeps them while the server is away', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'apt'])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('web1', { node: 'own' })
  installProgram(host)
  writeFileWithParents(`${host.root}/etc/apt/apt.conf.d/99proxy`, await aptProxy(t, network.gateway))
  writeFileWithParents(`${host.root}/srv/logs/server.conf`, serverConfig)
  const papertrail = {
    remote_host: '127.0.0.1',
    remote_port: 16514,
    cert_file: '/srv/logs/ca.pem',
    permitted_peer: '*.papertrail.test',
    hostname_name: 'web1.shop',
    watch_files: { '/var/log/own/a "$b.log': 'own-app', '/var/log/own/err*.log': 'errors' },
  }
  const write = (settings: object) =>
    writeFileWithParents(`${host.root}/etc/converge/site.json`, JSON.stringify({ papertrail: settings }))
  const converge = async (words: string, status = 0) => {
    const ended = await host.run(`/usr/local/bin/node /opt/converge/dist/start.cjs ${words} --role papertrail`)
    t.equal(ended.status, status, `converge ${words}: ${ended.stdout}${ended.stderr}`)
    return ended.stdout + ended.stderr
  }
  const run = async (command: string) => {
    const { status, stdout, stderr } = await host.run(command)
    t.equal(status, 0, `${command}: ${stderr}`)
    return stdout
  }
  const received = async (text: string) => t.equal((await host.run(awaitLine(text))).status, 0, `received: ${text}`)

  write({ ...papertrail, remote_port: null })
  t.match(await converge('setup', 2), /papertrail\.remote_port is not set/)
  write(papertrail)
  await converge('setup')
  await run(certificates)
  await run('mkdir /var/log/own')
  await run(startServer)
  await converge('configure')
  t.match(await converge('configure'), /nothing to do/)

  await t.test('messages of syslog and lines of watched files arrive', async (t) => {
    await run(`logger -t own 'through syslog'`)
    await run(`echo 'into a file' >> '/var/log/own/a "$b.log'; echo 'to the error log' >> /var/log/own/error.log`)
    for (const text of ['through syslog', 'into a file', 'to the error log']) await received(text)
    const log = await run('cat /srv/logs/received.log')
    t.match(log, /^<13>\d{4}-\S+ web1\.shop own: through syslog$/m)
    t.match(log, /^<189>\d{4}-\S+ web1\.shop own-app: into a file$/m)
    t.match(log, /^<189>\d{4}-\S+ web1\.shop errors: to the error log$/m)
    t.match(await run('cat /var/log/syslog'), 'through syslog')
    t.notMatch(await run('cat /var/log/syslog'), 'into a file', 'the host keeps watched lines once')
  })

  await t.test('messages wait for a server that is away, also across a restart', async () => {
    await run('systemctl stop logs')
    await run(`for i in $(seq 50); do logger -t own "while away $i."; done`)
    await run('echo watched while away >> /var/log/own/error.log')
    await run('systemctl restart rsyslog')
    await run('systemctl reset-failed logs || true')
    await run(startServer)
    await received('while away 50.')
    await received('watched while away')
    // TCP notices a lost connection by the message after the first one.
    const count = Number(await run(`grep -c 'while away [0-9]' /srv/logs/received.log`))
    t.ok(count >= 49, `${count} of 50 messages`)
  })

  await t.test('a server whose certificate has another name receives nothing', async (t) => {
    write({ ...papertrail, permitted_peer: 'logs.example.com' })
    await converge('configure')
    await run(`logger -t own 'not for this server'`)
    await run(
      `for i in $(seq 100); do journalctl -u rsyslog | grep -q 'not permitted\\|not authorized' && exit 0; sleep 0.1; done; exit 1`,
    )
    t.notMatch(await run('cat /srv/logs/received.log'), 'not for this server')
  })

  await t.test('a damaged setting changes nothing', async (t) => {
    write({ ...papertrail, remote_host: 'a b' })
    t.match(await converge('configure', 2), /papertrail\.remote_host/)
  })

  write(papertrail)
  t.match(await converge('status'), /rsyslog/)
  await converge('undeploy')
  t.notMatch(await run('ls /etc/rsyslog.d'), 'papertrail')
  await run('systemctl is-active rsyslog')
})

/** Tests the console as a service of a host with systemd: `converge console install`, and the role console behind nginx with TLS. docs/console.md describes both. */
import { cpSync, mkdirSync } from 'node:fs'
import t from 'tap'
import { needs, selfSigned } from '../support/machine.ts'
import { node22 } from '../support/node22.ts'
import { waitUntil } from '../support/wait_until.ts'
import { systemdHostNeeds, type TestHost, testNetwork } from './support/hosts.ts'
import { installProgram } from './support/program_on_host.ts'

const node = '/opt/node22/bin/node'
const program = '/opt/converge/dist/start.cjs'
const stackFile = '/srv/stacks/shop/stack.json'
const name = 'deploy.example.com'

const stack = {
  name: 'shop',
  layers: { all: { roles: ['base'] } },
  hosts: { web1: { address: '127.0.0.1', layers: ['all'] } },
}

const attributes = {
  console: {
    ...{ stack_files: [stackFile], server_name: name, program: [node, program] },
    ...{ certificate: '/etc/ssl/console.pem', certificate_key: '/etc/ssl/console.key' },
  },
}

t.test('the console as a service', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'nginx', 'npm registry'])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('tools', {})
  installProgram(host)
  mkdirSync(`${host.root}/opt/node22/bin`, { recursive: true })
  cpSync(await node22(), `${host.root}${node}`)
  host.write(stackFile, JSON.stringify(stack))
  host.write('/root/site.json', JSON.stringify(attributes))
  const { key, certificate } = selfSigned(t, name)
  host.write('/etc/ssl/console.key', key)
  host.write('/etc/ssl/console.pem', certificate)
  const converge = (words: string) => host.ssh(`${node} ${program} ${words}`)
  const show = async (property: string) =>
    (await host.run(`systemctl show --value --property=${property} converge-console`)).stdout.trim()
  const status = async (...words: string[]) =>
    (
      await host.run(
        `curl -s -o /dev/null -w '%{http_code}' --cacert /etc/ssl/console.pem --resolve ${name}:443:127.0.0.1 ${words.join(' ')}`,
      )
    ).stdout

  await t.test('refuses what cannot work, and changes nothing', async (t) => {
    t.match(await converge('console install --stack /srv/stacks/none.json'), { status: 2, stderr: /none\.json/ })
    host.write('/root/wrong.json', JSON.stringify({ console: { ...attributes.console, certificate: null } }))
    t.match(await converge('--role console --json /root/wrong.json'), {
      status: 2,
      stderr:
        /console\.server_name requires a certificate\n +hint: set console\.certificate and console\.certificate_key/,
    })
    host.write('/root/wrong.json', JSON.stringify({ console: { program: [node, program] } }))
    t.match(await converge('--role console --json /root/wrong.json'), {
      status: 2,
      stderr: /console\.stack_files is empty\n +hint: list the stack files/,
    })
    t.equal((await host.run('ls /etc/systemd/system/converge-console.service')).status, 2)
  })

  await t.test('console install', async (t) => {
    const words = `console install --stack ${stackFile} --listen 127.0.0.1:8485`
    const first = await converge(words)
    t.equal(first.status, 0, first.stdout + first.stderr)
    t.equal(await show('ActiveState'), 'active')
    t.equal(await show('UnitFileState'), 'enabled')
    t.match(await converge(words), { status: 0, stdout: /nothing to do/ })
    t.equal(await status('http://127.0.0.1:8485/'), '200')
    t.match(
      await host.run('stat -c "%U %a" /var/lib/converge-console /var/lib/converge-console/console/console.sqlite'),
      {
        stdout: 'converge-console 700\nconverge-console 600\n',
      },
    )
    const pid = await show('MainPID')
    t.match(await host.run(`stat -c %U /proc/${pid}`), { stdout: 'converge-console\n' })
    t.match(await host.run('journalctl -u converge-console -o cat'), {
      stdout: /make the first account within a day: http:\/\/127\.0\.0\.1:8485\/#\/invitation\/invite_/,
    })
    await host.run(`kill -9 ${pid}`)
    await waitUntil(async () => !['0', pid].includes(await show('MainPID')), 'systemd has started it again')
    await waitUntil(async () => (await status('http://127.0.0.1:8485/')) === '200', 'it answers again')
  })

  await t.test('the role console', async (t) => {
    const first = await converge('--role console --json /root/site.json')
    t.equal(first.status, 0, first.stdout + first.stderr)
    t.match(await converge('--role console --json /root/site.json'), { status: 0, stdout: /nothing to do/ })
    t.equal(await status(`https://${name}/`), '200')
    t.equal(await status(`-H 'Host: ${name}' http://127.0.0.1/`), '301')
    const { stdout: headers } = await host.run(
      `curl -sI --cacert /etc/ssl/console.pem --resolve ${name}:443:127.0.0.1 https://${name}/`,
    )
    t.match(headers, /^strict-transport-security: max-age=31536000\r$/im)
    t.match(headers, /^content-security-policy: default-src 'none'/im)
    const accepted = await makeAccount(host)
    t.match(accepted, { status: 0, stdout: /^HTTP\/2 200/ })
    t.match(accepted.stdout, /set-cookie: __Host-converge=.*HttpOnly; Secure; SameSite=Lax/i)
    t.match(accepted.stdout, /"account":"ann","isAdmin":true/)
    t.match(await converge('status --role console --json /root/site.json'), { status: 0, stdout: /converge-console/ })
    const { stdout: sockets } = await host.run('ss -Hltnp | awk \'/"MainThread"|"node"/ { print $4 }\' | sort -u')
    t.equal(sockets, '127.0.0.1:8484\n', 'it listens on loopback only')
    const { stdout: open } = await host.run(
      'setpriv --reuid=nobody --regid=nogroup --clear-groups find /var/lib/converge-console -readable 2>/dev/null',
    )
    t.equal(open, '', 'no other account reads its files')
  })

  await t.test('console remove', async (t) => {
    t.match(await converge('console remove'), { status: 0 })
    t.match(await converge('console remove'), { status: 0, stdout: /nothing to do/ })
    t.equal(await show('LoadState'), 'not-found')
    t.equal(await status(`https://${name}/`), '000', 'nginx no longer serves it')
    t.equal((await host.run('ls /var/lib/converge-console/console/console.sqlite')).status, 0, 'the database stays')
  })
})

/** Makes the first account through nginx, with the link of the journal. */
function makeAccount(host: TestHost) {
  return host.run(
    `key=$(${node} ${program} console invite --state-dir /var/lib/converge-console/console | sed 's/.*invitation.//')
body='{"invitation":"'$key'","name":"ann","password":"correct horse battery"}'
curl -si --cacert /etc/ssl/console.pem --resolve ${name}:443:127.0.0.1 -H 'Content-Type: application/json' -H 'Origin: https://${name}' -d "$body" https://${name}/api/invitations/accept`,
  )
}

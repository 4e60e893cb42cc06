/** Tests the roles bus and agent on a host with systemd, by the commands of docs/agents.md and docs/reference/commands.md. */
import { cpSync, readFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { natsServer } from '../support/nats_server.ts'
import { writeFileWithParents } from './support/host_files.ts'
import { systemdHostNeeds, testNetwork } from './support/hosts.ts'
import { installProgram } from './support/program_on_host.ts'

const program = ['/usr/local/bin/node', '/opt/converge/dist/start.cjs']
const account = 'converge-console'
const stackFile = '/srv/stacks/shop/stack.yaml'

t.setTimeout(400_000)

t.test('bus and agent run as services, and return after a kill', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'nats-server'])) return
  const page = readFileSync(new URL('../../docs/agents.md', import.meta.url), 'utf8')
  for (const command of ['converge configure --role agent', 'converge agent enrol', 'converge agent invite app1'])
    t.match(page, command, 'the page names the command')
  const network = await testNetwork(t)
  const host = await network.systemdHost('app1', { node: 'own' })
  installProgram(host)
  cpSync(natsServer() ?? '', `${host.root}/usr/local/bin/nats-server`)
  const stack = `name: shop\nlayers: { app: { roles: [base] } }\nhosts: { app1: { address: ${host.address}, layers: [app], transport: agent } }\n`
  writeFileWithParents(`${host.root}${stackFile}`, stack)
  const site = {
    bus: { stack_file: stackFile, address: host.address, nats_server: '/usr/local/bin/nats-server', program },
    agent: { program },
  }
  writeFileWithParents(`${host.root}/etc/converge/site.json`, JSON.stringify(site))
  const run = async (command: string, status = 0) => {
    const ended = await host.run(`cd / && ${command}`)
    t.equal(ended.status, status, `${command}: ${ended.stdout}${ended.stderr}`)
    return ended.stdout + ended.stderr
  }
  const converge = (words: string, status = 0) => run(`${program.join(' ')} ${words}`, status)
  const asControl = (words: string) =>
    run(`runuser -u ${account} -- env HOME=/tmp ${program.join(' ')} ${words} --stack ${stackFile}`)
  /** Waits until the agent has connected again. */
  const answers = async () =>
    run(
      `for i in $(seq 60); do runuser -u ${account} -- env HOME=/tmp ${program.join(' ')} agent list --stack ${stackFile} | grep -q 'app1  answers' && exit 0; sleep 0.5; done; exit 1`,
    )

  t.match(await converge('configure --role agent', 1), /not enrolled|converge-agent/)
  await run(`useradd --system --home-dir /var/lib/converge-console --shell /usr/sbin/nologin ${account}`)
  await run(`chown -R ${account}: /srv/stacks/shop`)
  await converge('setup --role bus')
  await converge('configure --role bus')
  t.match(await converge('configure --role bus'), /nothing to do/)
  const [token] = (await asControl('agent invite app1')).match(/^converge-agent-\S+/m) ?? []
  await converge(`agent enrol ${token}`)
  await converge('configure --role agent')
  t.match(await converge('configure --role agent'), /nothing to do/)
  await answers()

  await t.test('each returns after a kill, and after the kill of nats-server', async () => {
    for (const unit of ['converge-agent', 'converge-control']) {
      await run(`kill -9 $(systemctl show --value -p MainPID ${unit})`)
      await run(`for i in $(seq 60); do systemctl is-active -q ${unit} && exit 0; sleep 0.5; done; exit 1`)
      await answers()
    }
    await run('pkill -9 -x nats-server')
    await answers()
  })

  await t.test('a new enrolment needs a restart, as the page says', async () => {
    const [token] = (await asControl('agent invite app1')).match(/^converge-agent-\S+/m) ?? []
    await converge(`agent enrol ${token}`)
    await run('systemctl restart converge-agent')
    await answers()
  })

  t.match(await asControl('agent revoke app1'), 'app1 is revoked')
  t.match(await run(`${program.join(' ')} agent invite app1 --stack ${stackFile}`, 2), /belongs to the account/)
  await converge('undeploy --role agent')
  await converge('undeploy --role bus')
  await run('! systemctl is-active -q converge-agent && ! systemctl is-active -q converge-control')
})

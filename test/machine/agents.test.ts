/** Tests rollouts over agents: real hosts, a real nats-server, and the built program on both sides. */
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { freeBusPort, natsServer } from '../support/nats_server.ts'
import { waitUntil } from '../support/wait_until.ts'
import { hostNeeds, type TestHost, type TestNetwork, testNetwork } from './support/hosts.ts'
import { Operator, outcomes } from './support/operator.ts'

const recipe = `import { role, directory, execute, file } from 'converge-engine'
export default role('probe', {
  setup(r) { directory(r, { path: '/srv/probe' }) },
  configure(r, node) {
    const online = Object.keys(node.opsworks.layers.all.instances)
    file(r, { path: '/srv/probe/online', content: online.join(' ') + '\\n' })
  },
  events: {
    slow(r, node) {
      execute(r, { command: 'echo run >> /srv/probe/runs; until [ -e /srv/probe/go ]; do sleep 0.05; done' })
      file(r, { path: '/srv/probe/password', content: node.probe_password, mode: '0600', sensitive: true })
    },
  },
})
`
const password = 'correct horse battery staple'

/** The control plane as its operator starts it. */
class Control {
  private child: ChildProcess | null = null
  output = ''

  constructor(
    private readonly operator: Operator,
    private readonly port: number,
    private readonly address: string,
  ) {}

  async start(): Promise<void> {
    const words = ['control', '--listen', `0.0.0.0:${this.port}`, '--address', this.address]
    const child = this.converge([...words, '--nats-server', natsServer() ?? ''])
    this.child = child
    this.output = ''
    child.stdout?.on('data', (text) => {
      this.output += text
    })
    child.stderr?.on('data', (text) => {
      this.output += text
    })
    await waitUntil(() => /^control plane of /m.test(this.output) || child.exitCode !== null, 'it runs')
    if (child.exitCode !== null) throw new Error(this.output)
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await ended
  }

  /** Runs a command of converge, and returns its output. */
  run(words: readonly string[]): Promise<{ readonly status: number | null; readonly text: string }> {
    const child = this.converge(words)
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (part) => {
        text += part
      })
    return new Promise((resolve) => child.once('close', (status) => resolve({ status, text })))
  }

  private converge(words: readonly string[]): ChildProcess {
    return spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, this.operator.program, ...words], {
      cwd: this.operator.directory,
      env: { PATH: process.env.PATH, HOME: this.operator.home, LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }
}

const agentProgram = '/usr/local/bin/node /opt/converge/dist/start.cjs agent'

async function startAgent(host: TestHost): Promise<void> {
  await host.run(`HOME=/root setsid ${agentProgram} run >>/var/log/agent.log 2>&1 </dev/null & echo $! >/run/agent.pid`)
}

interface Fleet {
  readonly network: TestNetwork
  readonly operator: Operator
  readonly control: Control
  readonly hosts: readonly TestHost[]
}

async function fleetOf(t: Test): Promise<Fleet> {
  const network = await testNetwork(t)
  const operator = new Operator(network)
  const program = `${network.directory}/program`
  const options = { node: 'own', mounts: { '/opt/converge': program } } as const
  const hosts = await Promise.all([
    network.host('a.1', options),
    network.host('b', options),
    network.host('c', { node: 'own' }),
  ])
  operator.write({
    'recipes/probe.ts': recipe,
    'stack.json': {
      name: 'probe',
      layers: { all: { roles: ['probe'] } },
      recipes: ['recipes'],
      ssh: { user: 'root' },
      custom_json: { probe_password: password },
      hosts: Object.fromEntries(
        hosts.map(({ name, address }) => [
          name,
          { address, layers: ['all'], ...(name === 'c' ? {} : { transport: 'agent' }) },
        ]),
      ),
    },
  })
  const control = new Control(operator, await freeBusPort(), network.gateway)
  t.teardown(() => control.end('SIGTERM'))
  await control.start()
  for (const host of hosts.slice(0, 2)) {
    const { text } = await control.run(['agent', 'invite', host.name])
    const { status, stdout, stderr } = await host.run(`${agentProgram} enrol ${text.trim()}`)
    t.equal(status, 0, `${stdout}${stderr}`)
    await startAgent(host)
  }
  return { network, operator, control, hosts }
}

t.test('a stack with hosts over agents and over SSH', async (t) => {
  if (!needs(t, [...hostNeeds, 'nats-server'])) return
  const { operator, control, hosts } = await fleetOf(t)
  const [one, two] = hosts as [TestHost, TestHost]

  await t.test('sets them up in one rollout', async (t) => {
    const setup = await operator.json(['setup', '--accept-new', '-m', 'first'])
    if (setup.status !== 0)
      t.comment(`${setup.stdout}${setup.stderr}${(await one.run('cat /var/log/agent.log')).stdout}`)
    t.match(setup, { status: 0, report: { id: '000001', outcome: 'changed' } })
    for (const host of hosts) t.equal(host.read('/srv/probe/online'), 'a.1 b c\n')
    t.match(await operator.json(['setup']), { status: 0, report: { outcome: 'unchanged' } })
    t.match(await operator.run(['status']), { status: 0, stdout: /3 hosts: 3 reached/ })
    t.match(await operator.run(['exec', '--host', 'a.1', '--', 'hostname']), { status: 0, stdout: /a\.1/ })
    t.match((await control.run(['agent', 'list'])).text, /^a\.1 {2}answers.*\nb {2}answers/)
  })
  if (!t.passing()) return

  /** Starts a run on all hosts, and waits until each has begun it. */
  const startSlow = async () => {
    const run = operator.start(['run', 'slow', '--strategy', 'parallel', '--json-output'])
    let hasEnded = false
    void run.ended.then(() => {
      hasEnded = true
    })
    await waitUntil(() => hasEnded || hosts.every((host) => host.exists('/srv/probe/runs')), 'all hosts run it')
    if (hasEnded) throw new Error(`${run.text}${run.errors}`)
    return run
  }

  await t.test('the bus is killed and loses its store in the middle', async (t) => {
    const run = await startSlow()
    const bus = `${operator.directory}/.converge/probe/bus`
    const pid = Number(operator.read('.converge/probe/bus/nats.pid'))
    process.kill(pid, 'SIGKILL')
    rmSync(`${bus}/store`, { recursive: true })
    for (const host of hosts) host.write('/srv/probe/go', '')
    const result = await run.ended
    if (result.status !== 0) t.comment(`${result.stdout}${result.stderr}${control.output}`)
    t.same(outcomes(result), { 'a.1': 'changed', b: 'changed', c: 'changed' })
    t.not(Number(operator.read('.converge/probe/bus/nats.pid')), pid, 'the control plane has started it again')
    for (const host of hosts) {
      t.equal(host.read('/srv/probe/runs'), 'run\n', 'nothing was done twice')
      t.equal(host.read('/srv/probe/password'), password)
      await host.run('rm /srv/probe/go /srv/probe/runs')
    }
  })

  await t.test('the agent is killed in the middle, and the control plane as well', async (t) => {
    const run = await startSlow()
    await one.run('kill -9 $(cat /run/agent.pid)')
    await control.end('SIGKILL')
    await startAgent(one)
    await control.start()
    for (const host of hosts) host.write('/srv/probe/go', '')
    const result = await run.ended
    if (result.status !== 0) t.comment(`${result.stdout}${result.stderr}${control.output}`)
    t.same(outcomes(result), { 'a.1': 'changed', b: 'changed', c: 'changed' })
    for (const host of hosts) t.equal(host.read('/srv/probe/runs'), 'run\n', 'nothing was done twice')
  })

  await t.test('a revoked host is refused', async (t) => {
    t.match((await control.run(['agent', 'revoke', 'b'])).text, /b is revoked/)
    const status = await operator.json(['status'])
    t.match(status, { status: 1 })
    t.match(
      status.report?.hosts.find(({ host }) => host === 'b'),
      { failure: { code: 'NOT_ENROLLED' } },
    )
    t.match((await two.run('tail -n 20 /var/log/agent.log')).stdout, /the bus does not answer/)
  })
})

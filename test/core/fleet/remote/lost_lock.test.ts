/** Tests a connection that is lost while its host waits: the rollout locks the host again, unless another one was there. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { RemoteHost } from '../../../../core/fleet/remote/remote_host.ts'
import { scratch } from '../../../support/machine.ts'
import { disconnect, hostAt, open, type Shell, setupRequest, shell } from '../../../support/shell_hosts.ts'
import { until } from '../../../support/wait_until.ts'

const engine = `
console.log(JSON.stringify({ event: 'start' }))
console.log(JSON.stringify({ event: 'end', report: null }))
`

interface Operator {
  readonly host: RemoteHost
  readonly state: Shell
  /** The states of the connection, as the rollout reports them. */
  readonly connection: string[]
  opened: number
  /** Delays connections. */
  gate: Promise<void>
}

function setUp(t: Test) {
  const prefix = scratch(t)
  mkdirSync(`${prefix}/usr/local/lib/converge`, { recursive: true })
  symlinkSync(process.execPath, `${prefix}/usr/local/lib/converge/node`)
  const lock = `${prefix}/var/lib/converge/fleet/held`
  const operator = (by: string, rollout: string): Operator => {
    const connection: string[] = []
    const one: Operator = {
      connection,
      state: shell({ before: () => void one.opened++ }),
      opened: 0,
      gate: Promise.resolve(),
    } as never
    const host = hostAt(t, one.state, prefix, engine, {
      by,
      rollout,
      open: () => one.gate.then(() => open(t, one.state)),
      deployment: () => `deployment ${rollout.replace(/\D/g, '')}`,
      connection: (state) => void connection.push(state),
    })
    return Object.assign(one, { host })
  }
  return {
    ann: operator('ann', 'deploy-1'),
    bob: operator('bob', 'deploy-2'),
    released: () => until(() => !existsSync(lock), 'the host is released'),
  }
}

const run = ({ host }: Operator, isDryRun = false) => host.run({ ...setupRequest, isDryRun }, () => undefined)
const isLost = ({ connection }: Operator) => connection.includes('lost')
const isBack = ({ connection }: Operator) => connection.includes('back')

t.test('locks the host again as soon as it answers', async (t) => {
  const { ann, bob } = setUp(t)
  await ann.host.connect(true)
  await run(ann)
  disconnect(ann.state)
  await until(() => isLost(ann), 'the loss is reported')
  ann.state.isDown = false
  await until(() => isBack(ann), 'the connection is back')
  t.strictSame(ann.connection, ['lost', 'back'])
  await t.rejects(bob.host.connect(true), {
    code: 'HOST_HELD',
    message: /^locked by another rollout: ann since \S+ \(deployment 1\), converge stack deploy-1$/,
  })
  t.match(await run(ann), { status: 0 })
})

t.test('refuses a host that another rollout has locked in the meantime', async (t) => {
  const { ann, bob, released } = setUp(t)
  await ann.host.connect(true)
  disconnect(ann.state)
  await bob.host.connect(true)
  ann.state.isDown = false
  const refused = {
    code: 'HOST_TAKEN',
    message:
      /^after the connection was lost, another rollout has locked the host: bob since \S+ \(deployment 2\), converge stack deploy-2$/,
    hint: 'this rollout changes nothing more on it; when the other one has ended, run converge stack status --host web1, then deploy again',
  }
  await t.rejects(run(ann), refused)
  bob.host.close()
  await released()
  await t.rejects(run(ann), refused, 'also after the other one has ended')
  await t.rejects(ann.host.query('status', setupRequest), refused)
  await bob.host.connect(true).catch(() => undefined)
})

t.test('refuses a host that another rollout has changed in the meantime', async (t) => {
  const { ann, bob, released } = setUp(t)
  await ann.host.connect(true)
  await run(ann)
  disconnect(ann.state)
  await bob.host.connect(true)
  await run(bob)
  bob.host.close()
  await released()
  ann.state.isDown = false
  await t.rejects(run(ann), {
    code: 'HOST_TAKEN',
    message:
      /^after the connection was lost, another rollout has changed the host: bob since \S+ \(deployment 2\), converge stack deploy-2$/,
  })
  await released()
})

t.test('continues on a host where another rollout has changed nothing', async (t) => {
  const { ann, bob, released } = setUp(t)
  await ann.host.connect(true)
  disconnect(ann.state)
  await bob.host.connect(true)
  await run(bob, true)
  bob.host.close()
  await released()
  ann.state.isDown = false
  t.match(await run(ann), { status: 0 })
})

t.test('a run of another rollout before the first lock does not count', async (t) => {
  const { ann, bob, released } = setUp(t)
  await bob.host.connect(true)
  await run(bob)
  bob.host.close()
  await released()
  await ann.host.connect(true)
  disconnect(ann.state)
  ann.state.isDown = false
  t.match(await run(ann), { status: 0 })
})

t.test('connects no more after the end of the rollout', async (t) => {
  const { ann } = setUp(t)
  await ann.host.connect(true)
  const { opened } = ann
  let answer: () => void = () => undefined
  ann.gate = new Promise((resolve) => {
    answer = resolve
  })
  disconnect(ann.state)
  await until(() => isLost(ann), 'the loss is reported')
  ann.state.isDown = false
  ann.host.close()
  answer()
  await ann.gate
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  t.equal(ann.opened, opened, 'the late connection runs nothing')
})

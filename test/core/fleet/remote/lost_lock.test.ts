/** Tests a connection that is lost while its host waits: the rollout locks the host again, unless another one was there. */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { retryPauseMs } from '../../../../core/fleet/remote/reconnect.ts'
import type { RemoteHost } from '../../../../core/fleet/remote/remote_host.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { scratch } from '../../../support/machine.ts'
import { disconnect, hostAt, open, type Shell, setupRequest, shell } from '../../../support/shell_hosts.ts'
import { until } from '../../../support/wait_until.ts'

/** Waits for the end of the test where there is a file `wait`. */
const engine = `
const fs = require('node:fs')
const prefix = process.argv[process.argv.indexOf('--prefix') + 1]
console.log(JSON.stringify({ event: 'start' }))
const timer = setInterval(() => {
  if (fs.existsSync(prefix + '/wait')) return
  clearInterval(timer)
  console.log(JSON.stringify({ event: 'end', report: null }))
}, fs.existsSync(prefix + '/wait') ? 20 : 0)
`

interface Operator {
  readonly host: RemoteHost
  readonly state: Shell
  /** The states of the connection, as the rollout reports them. */
  readonly connection: string[]
  opened: number
  /** Attempts to connect. */
  attempts: number
  /** Delays connections, or refuses them. */
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
      attempts: 0,
      gate: Promise.resolve(),
    } as never
    const host = hostAt(t, one.state, prefix, engine, {
      by,
      rollout,
      open: () => {
        one.attempts++
        return one.gate.then(() => open(t, one.state))
      },
      deployment: () => `deployment ${rollout.replace(/\D/g, '')}`,
      connection: (state) => void connection.push(state),
    })
    return Object.assign(one, { host })
  }
  return {
    prefix,
    ann: operator('ann', 'deploy-1'),
    bob: operator('bob', 'deploy-2'),
    /** A rollout of the same name, as another computer may have. */
    eve: operator('eve', 'deploy-1'),
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

t.test('reports no loss for a host that a command has connected again', async (t) => {
  const { ann } = setUp(t)
  await ann.host.connect(true)
  const { attempts } = ann
  disconnect(ann.state)
  await until(() => ann.attempts > attempts, 'the first attempt has failed')
  ann.state.isDown = false
  t.match(await run(ann), { status: 0 })
  t.strictSame(ann.connection, ['lost', 'back'])
  // The timer of the first attempt would end before this one.
  await new Promise((resolve) => setTimeout(resolve, 2 * retryPauseMs))
  t.strictSame(ann.connection, ['lost', 'back'])
})

t.test('locks the host again after another rollout has locked it for a moment', async (t) => {
  const { ann, bob } = setUp(t)
  await ann.host.connect(true)
  const { opened } = ann
  disconnect(ann.state)
  await bob.host.connect(true)
  ann.state.isDown = false
  await until(() => ann.opened > opened + 1, 'two attempts while the host is locked')
  bob.host.close()
  await until(() => isBack(ann), 'the host is locked again')
  t.match(await run(ann), { status: 0 })
})

t.test('locks a host again that refuses logins and commands while it boots', async (t) => {
  const failures: readonly ((operator: Operator) => void)[] = [
    (one) => {
      one.gate = Promise.reject(new ConvergeError('login failed', { code: 'AUTH_FAILED' }))
      one.gate.catch(() => undefined)
    },
    ({ state }) => {
      state.startup = 'exit 0'
    },
    ({ state }) => {
      state.startup = 'echo "System is booting up." >&2; exit 1'
    },
  ]
  for (const fail of failures) {
    const { ann } = setUp(t)
    await ann.host.connect(true)
    disconnect(ann.state)
    fail(ann)
    ann.state.isDown = false
    const { attempts } = ann
    await until(() => ann.attempts > attempts + 1, 'the host refuses twice')
    t.notOk(isBack(ann))
    ann.gate = Promise.resolve()
    ann.state.startup = ''
    await until(() => isBack(ann), 'the host is locked again')
    ann.host.close()
  }
})

t.test('tells the runs of two rollouts of the same name apart', async (t) => {
  const { ann, eve, released } = setUp(t)
  await ann.host.connect(true)
  t.match(await run(ann), { status: 0 })
  disconnect(ann.state)
  await eve.host.connect(true)
  t.match(await run(eve), { status: 0 })
  eve.host.close()
  await released()
  ann.state.isDown = false
  await t.rejects(run(ann), { code: 'HOST_TAKEN', message: /another rollout has changed the host: eve since / })
})

t.test('accepts the last run as an earlier version wrote it', async (t) => {
  const { ann, prefix } = setUp(t)
  mkdirSync(`${prefix}/var/lib/converge/fleet`, { recursive: true })
  writeFileSync(`${prefix}/var/lib/converge/fleet/last-run`, 'deploy-0 bob since yesterday, converge stack deploy-0\n')
  await ann.host.connect(true)
  for (const _ of ['before a run', 'after a run']) {
    disconnect(ann.state)
    ann.state.isDown = false
    t.match(await run(ann), { status: 0 })
  }
})

t.test('names the other rollout that locks the host in the middle of a run', async (t) => {
  const { ann, bob, prefix } = setUp(t)
  t.teardown(() => rmSync(`${prefix}/wait`, { force: true }))
  writeFileSync(`${prefix}/wait`, '')
  await ann.host.connect(true)
  let hasStarted = false
  const running = ann.host.run(setupRequest, () => {
    hasStarted = true
  })
  running.catch(() => undefined)
  await until(() => hasStarted, 'the run has started')
  disconnect(ann.state)
  await bob.host.connect(true)
  ann.state.isDown = false
  await t.rejects(running, {
    code: 'HOST_TAKEN',
    message:
      /^the end of the run is unknown: after the connection was lost, another rollout has locked the host: bob since /,
    hint: /converge stack status --host web1, then deploy again$/,
  })
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

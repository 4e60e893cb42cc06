/** Tests a run that is interrupted during the upload or at its start, with the scripts in a local shell. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { PackedFile } from '../../../../core/fleet/remote/packed_directory.ts'
import { RemoteHost } from '../../../../core/fleet/remote/remote_host.ts'
import type { RemoteProcess, SshTransport } from '../../../../core/fleet/remote/ssh_transport.ts'
import { setupRequest } from '../../../support/shell_hosts.ts'

/** Reports its start, and exits when it is interrupted. */
const engine = `
process.on('SIGINT', () => {
  console.log(JSON.stringify({ event: 'end', report: { outcome: 'interrupted' } }))
  process.exit(1)
})
console.log(JSON.stringify({ event: 'start' }))
setInterval(() => {}, 1000)
`

/** @param before called with each command before it runs */
function localWire(before: (command: string) => Promise<void>): SshTransport {
  return {
    closed: new Promise(() => undefined),
    close: () => undefined,
    exec: async (command): Promise<RemoteProcess> => {
      await before(command)
      const child = spawn('env', ['-u', 'NODE_OPTIONS', 'sh', '-c', command])
      const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
        child.on('close', (code, signal) => resolve({ code, signal })),
      )
      return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, close: () => child.kill() }
    },
  }
}

function hostOf(prefix: string, before: (command: string) => Promise<void>): RemoteHost {
  const file: PackedFile = { content: Buffer.from(engine) }
  return new RemoteHost({
    name: 'here',
    stack: 'site',
    prefix,
    rollout: 'test',
    by: 'somebody',
    sudo: 'none',
    recipes: null,
    secrets: [],
    patience: 1,
    open: async () => localWire(before),
    engine: new Map([['start.cjs', file]]),
    runtimes: { cacheDirectory: `${prefix}/cache`, programs: {} },
    step: () => undefined,
    connection: () => undefined,
  })
}

const runsIn = (prefix: string) => {
  const runs = `${prefix}/var/lib/converge/fleet/runs`
  return existsSync(runs) ? readdirSync(runs) : []
}

t.test('during an upload: starts no run', async (t: Test) => {
  const prefix = t.testdir()
  let interrupted: Promise<void> | undefined
  const host = hostOf(prefix, async (command) => {
    if (command.includes('mktemp -d')) interrupted ??= host.interrupt()
  })
  await t.rejects(
    host.run(setupRequest, () => undefined),
    { code: 'INTERRUPTED', message: 'ended before anything was begun on the host' },
  )
  await interrupted
  t.ok(interrupted)
  t.strictSame(runsIn(prefix), [])
})

t.test('before the process is known: interrupts the run when it starts', async (t: Test) => {
  const prefix = t.testdir()
  let interrupted: Promise<void> | undefined
  const host = hostOf(prefix, async (command) => {
    // The upload is complete: this command is the one that starts the run.
    if (!command.includes('"started') || !existsSync(`${prefix}/usr/local/lib/converge/node`)) return
    interrupted ??= host.interrupt()
    await new Promise((resolve) => setTimeout(resolve, 200))
  })
  const received: string[] = []
  const { status } = await host.run(setupRequest, ({ event }) => void received.push(event))
  await interrupted
  t.equal(status, 1)
  t.strictSame(received, ['start', 'end'])
  t.equal(runsIn(prefix).length, 1)
})

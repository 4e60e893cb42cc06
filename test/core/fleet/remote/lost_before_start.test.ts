/** Tests a connection that is lost before the run has begun on the host: converge connects again, and starts it once. */
import { mkdirSync, symlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import { scratch } from '../../../support/machine.ts'
import { disconnect, hostAt, type Shell, setupRequest, shell } from '../../../support/shell_hosts.ts'

const engine = `
console.log(JSON.stringify({ event: 'start' }))
console.log(JSON.stringify({ event: 'end', report: null }))
`

const isStart = (command: string) => command.includes('setsid')
const isUpload = (command: string) => command.includes('tar ')

/** A host whose connection is cut at the first command that matches, and that answers again after some attempts. */
function setUp(t: Test, matches: (command: string) => boolean, options: { patience?: number; attempts?: number } = {}) {
  const { patience = 20, attempts = 2 } = options
  const prefix = scratch(t)
  mkdirSync(`${prefix}/usr/local/lib/converge`, { recursive: true })
  symlinkSync(process.execPath, `${prefix}/usr/local/lib/converge/node`)
  const connection: string[] = []
  const events: string[] = []
  let cuts = 0
  const state: Shell = shell({
    before: (command) => {
      if (cuts > 0 || !matches(command)) return
      cuts++
      disconnect(state)
    },
  })
  let left = attempts
  const host = hostAt(t, state, prefix, engine, {
    patience,
    connection: (one) => void connection.push(one),
  })
  const timer = setInterval(() => {
    if (state.isDown && --left <= 0) state.isDown = false
  }, 300)
  t.teardown(() => clearInterval(timer))
  return { host, connection, events, run: () => host.run(setupRequest, ({ event }) => void events.push(event)) }
}

for (const [what, matches] of [
  ['the start', isStart],
  ['the upload', isUpload],
] as const)
  t.test(`connects again if the connection is lost at ${what}`, async (t) => {
    const { run, connection, events } = setUp(t, matches)
    t.match(await run(), { status: 0 })
    t.strictSame(events, ['start', 'end'], 'the run begins once')
    t.strictSame(connection, ['lost', 'back'])
  })

t.test('fails if the host stays unreachable', async (t) => {
  const { run, events } = setUp(t, isStart, { patience: 1, attempts: 1000 })
  await t.rejects(run(), { code: /CONNECT_FAILED|CONNECTION_LOST/ })
  t.strictSame(events, [])
})

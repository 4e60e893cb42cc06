/**
 * Tests a run that sends nothing for a while: the operator waits if it still works, and gives up if it has stopped or
 * cannot be reached.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { RemoteHost } from '../../../../core/fleet/remote/remote_host.ts'
import { scratch } from '../../../support/machine.ts'
import { hostAt, type Shell, setupRequest, shell } from '../../../support/shell_hosts.ts'

/** Starts, and exits when a file `go` exists. */
const engine = `
const fs = require('node:fs')
const prefix = process.argv[process.argv.indexOf('--prefix') + 1]
console.log(JSON.stringify({ event: 'start' }))
const timer = setInterval(() => {
  if (!fs.existsSync(prefix)) process.exit(1)
  if (!fs.existsSync(prefix + '/go')) return
  clearInterval(timer)
  console.log(JSON.stringify({ event: 'end', report: null }))
}, 20)
`

const isProbe = (command: string) => command.includes('state=ended')

interface RunSetup {
  readonly host: RemoteHost
  readonly prefix: string
  readonly queryCount: () => number
  readonly connection: string[]
}

function setUp(t: Test, change: Partial<Shell> = {}, first = 10): RunSetup {
  const prefix = scratch(t)
  mkdirSync(`${prefix}/usr/local/lib/converge`, { recursive: true })
  symlinkSync(process.execPath, `${prefix}/usr/local/lib/converge/node`)
  let requestCount = 0
  const connection: string[] = []
  const host = hostAt(
    t,
    shell({
      ...change,
      before: async (command) => {
        if (isProbe(command)) requestCount++
        await change.before?.(command)
      },
    }),
    prefix,
    engine,
    { limits: { first, rest: first, quiet: 0.1 }, connection: (state) => void connection.push(state) },
  )
  return { host, prefix, queryCount: () => requestCount, connection }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

const runsOf = (prefix: string) => `${prefix}/var/lib/converge/fleet/runs`

/** Returns processes with all of these words in their command line, except for shells. */
function processes(...words: readonly string[]): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || !existsSync(`/proc/${pid}/cmdline`)) return []
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return words.every((word) => line.some((one) => one.includes(word))) && !/sh$/.test(line[0] ?? '')
        ? [Number(pid)]
        : []
    } catch {
      return []
    }
  })
}

t.test('waits for a run that works and reports nothing', async (t) => {
  const { host, prefix, queryCount, connection } = setUp(t)
  const running = host.run(setupRequest, () => undefined)
  await until(() => queryCount() >= 5)
  writeFileSync(`${prefix}/go`, '')
  t.match(await running, { status: 0 })
  t.strictSame(connection, [])
})

t.test('waits if a host refuses to report the state of the run', async (t) => {
  const { host, prefix, queryCount } = setUp(t, { answers: { 'state=ended': '?' } })
  const running = host.run(setupRequest, () => undefined)
  await until(() => queryCount() >= 5)
  writeFileSync(`${prefix}/go`, '')
  t.match(await running, { status: 0 })
})

t.test('follows the run again if only the sending of events has stopped', async (t) => {
  const { host, prefix, connection } = setUp(t)
  const received: string[] = []
  const running = host.run(setupRequest, ({ event }) => void received.push(event))
  await until(() => received.includes('start'))
  const tails = processes('tail', `${runsOf(prefix)}/`)
  t.equal(tails.length, 1)
  for (const pid of tails) process.kill(pid, 'SIGSTOP')
  writeFileSync(`${prefix}/go`, '')
  t.match(await running, { status: 0 })
  for (const pid of tails) execFileSync('kill', ['-KILL', String(pid)], { stdio: 'ignore' })
  t.strictSame(received, ['start', 'end'])
  t.strictSame(connection, ['lost', 'back'])
})

t.test('a run that somebody has stopped fails, and the error names the process', async (t) => {
  const { host, prefix } = setUp(t)
  const received: string[] = []
  const running = host.run(setupRequest, ({ event }) => void received.push(event))
  await until(() => received.includes('start'))
  const [pid = 0] = processes('start.cjs', prefix)
  process.kill(pid, 'SIGSTOP')
  try {
    await t.rejects(running, {
      code: 'HOST_LOST',
      message: new RegExp(`^the run has sent nothing for \\d+ s: process ${pid} on the host is stopped by a signal$`),
      hint: `run "kill -CONT ${pid}" on the host, or kill the process, then repeat this command`,
    })
  } finally {
    process.kill(pid, 'SIGKILL')
  }
})

t.test('reports a host that stops answering in the middle of a run', async (t) => {
  let isMute = false
  const before = () => (isMute ? new Promise<void>(() => undefined) : undefined)
  const { host, prefix } = setUp(t, { before }, 2)
  const received: string[] = []
  const running = host.run(setupRequest, ({ event }) => {
    received.push(event)
    isMute = true
  })
  await t.rejects(running, {
    code: 'HOST_LOST',
    message: /^the host became unreachable in the middle of its run: .* has not answered a command for 2 s$/,
    hint: /^run "converge stack status --host web1" when the host answers: it shows how the run ended/,
  })
  writeFileSync(`${prefix}/go`, '')
})

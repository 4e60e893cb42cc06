/**
 * Tests the lock between processes: one holder at a time, whichever process is killed, and free as soon as its holder
 * has exited.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import { acquireLock, type Holder, lockHolder, tryLock } from '../../../core/host/lock.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { milliseconds, seconds } from '../../../core/model/units.ts'
import { scratch } from '../../support/machine.ts'

const claims = (path: string) => fs.readdirSync(`${path}.d`).sort()

/** Writes a claim as this process would make it, with changes. */
function claimed(path: string, change: Partial<Holder>): void {
  tryLock(`${path}-own`, 'test')
  const holder = lockHolder(`${path}-own`)
  fs.mkdirSync(`${path}.d`, { recursive: true })
  fs.writeFileSync(`${path}.d/7`, JSON.stringify({ ...holder, ...change }))
}

t.test('takes a lock, refuses another holder, and releases it', (t) => {
  const path = join(scratch(t), 'lock')
  t.equal(lockHolder(path), null)
  t.notOk(fs.existsSync(`${path}.d`), 'to ask writes nothing')
  const first = tryLock(path, 'the first')
  t.ok('lock' in first)
  t.match(lockHolder(path), { pid: process.pid, command: 'the first', host: hostname() })
  t.match(tryLock(path, 'the second'), { holder: { pid: process.pid, command: 'the first' } })
  if ('lock' in first) first.lock.release()
  t.equal(lockHolder(path), null)
  t.ok('lock' in tryLock(path, 'the third'))
  t.strictSame(claims(path), ['2'], 'what no longer counts is cleared away')
  t.end()
})

t.test('names the lock holder, and how to continue', async (t) => {
  const path = join(scratch(t), 'lock')
  tryLock(path, 'converge web deploy')
  const error: unknown = await acquireLock(path, 'x', milliseconds(0)).catch((thrown: unknown) => thrown)
  t.ok(error instanceof ConvergeError)
  t.match(error, {
    code: 'LOCKED',
    message: new RegExp(`process ${process.pid} \\(converge web deploy\\) of \\w+, since \\d{4}-\\d\\d-\\d\\dT`),
    hint: /--wait SECONDS/,
    usage: false,
  })
})

t.test('a waiting run reports once, and gives up at its timeout or gets the lock', async (t) => {
  const path = join(scratch(t), 'lock')
  const first = tryLock(path, 'the first')
  const received: Holder[] = []
  const began = performance.now()
  await t.rejects(
    acquireLock(path, 'x', milliseconds(400), (holder) => received.push(holder)),
    { code: 'LOCKED' },
  )
  t.ok(performance.now() - began >= 400)
  t.equal(received.length, 1)
  setTimeout(() => 'lock' in first && first.lock.release(), 200)
  const lock = await acquireLock(path, 'x', seconds(30))
  t.match(lockHolder(path), { command: 'x' })
  lock.release()
})

t.test('ignores the lock of an ended process', async (t) => {
  const directory = scratch(t)
  const dead = spawn('true')
  await new Promise((resolve) => dead.once('close', resolve))
  const cases: Readonly<Record<string, Partial<Holder>>> = {
    gone: { pid: dead.pid ?? 0 },
    'another process with its pid': {
      started: `${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} 1`,
    },
    'of an earlier boot': { started: `11111111-2222-3333-4444-555555555555 ${ticks()}` },
  }
  for (const [name, change] of Object.entries(cases)) {
    const path = join(directory, name)
    claimed(path, change)
    t.equal(lockHolder(path), null, name)
    t.ok('lock' in tryLock(path, 'x'), name)
    t.strictSame(claims(path), ['8'])
  }
  for (const text of ['', '{"pid": 1', 'null']) {
    const path = join(directory, `text ${text}`)
    fs.mkdirSync(`${path}.d`)
    fs.writeFileSync(`${path}.d/3`, text)
    t.ok('lock' in tryLock(path, 'x'), `a truncated claim: ${text}`)
  }
})

/** Returns the start time of this process, in clock ticks since boot. */
function ticks(): string {
  const stat = fs.readFileSync('/proc/self/stat', 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

t.test('respects the lock of a running process, also of one that is not visible here', async (t) => {
  const directory = scratch(t)
  const otherBoot = `11111111-2222-3333-4444-555555555555 ${ticks()}`
  const gone = { pid: 999_999_999 }
  claimed(join(directory, 'here'), {})
  t.match(tryLock(join(directory, 'here'), 'x'), { holder: { pid: process.pid } })
  claimed(join(directory, 'renamed'), { host: 'its-old-name' })
  t.match(tryLock(join(directory, 'renamed'), 'x'), { holder: { pid: process.pid } }, 'the host has got another name')
  for (const [name, change] of Object.entries({
    'in a container': { ...gone, host: 'elsewhere', space: 'pid:[1]' },
    'on another host': { ...gone, host: 'elsewhere', machine: 'another', started: otherBoot },
  })) {
    const path = join(directory, name)
    claimed(path, change)
    const error: unknown = await acquireLock(path, 'x', milliseconds(0)).catch((thrown: unknown) => thrown)
    t.match(
      error,
      {
        code: 'LOCKED',
        message: /of \w+ on elsewhere, since/,
        hint: /^check on elsewhere whether that process still runs; .* remove \//,
      },
      name,
    )
  }
})

t.test('removes the files of a killed process', (t) => {
  const path = join(scratch(t), 'lock')
  fs.mkdirSync(`${path}.d`)
  for (const name of ['1', '2', '.4711-3', '.4711-2']) fs.writeFileSync(`${path}.d/${name}`, '')
  t.ok('lock' in tryLock(path, 'x'))
  t.strictSame(claims(path), ['.4711-3', '3'])
  t.end()
})

t.test('of twenty processes, some of them killed, never two have the lock', { timeout: 120_000 }, async (t) => {
  const directory = scratch(t)
  const at = (name: string) => join(directory, name)
  buildSync({
    entryPoints: [fileURLToPath(new URL('../../support/lock_contender.ts', import.meta.url))],
    outfile: at('contender.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
  })
  const killed = new Set<number>()
  const running = new Set<ChildProcess>()
  const failures: string[] = []
  t.teardown(() => running.forEach((child) => void child.kill('SIGKILL')))
  const start = () => {
    const child = spawn(process.execPath, [at('contender.mjs'), at('lock'), at('log'), at('stop')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    running.add(child)
    child.stderr?.on('data', (text: Buffer) => failures.push(text.toString()))
    child.once('close', () => running.delete(child))
  }
  const log = () => (fs.existsSync(at('log')) ? fs.readFileSync(at('log'), 'utf8').trim().split('\n') : [])
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  for (let n = 0; n < 20; n++) start()
  while (new Set(log().map((line) => line.split(' ')[0])).size < 20) await pause(200)
  // Half of the time, the victim is the holder.
  for (let n = 0; n < 30; n++) {
    await pause(40)
    const inside = Number(log().at(-1)?.replace(/ in$/, ''))
    const victim = [...running].find(({ pid }) => pid === inside) ?? [...running][n % running.size]
    if (victim?.pid === undefined) continue
    killed.add(victim.pid)
    victim.kill('SIGKILL')
    start()
  }
  await pause(500)
  fs.writeFileSync(at('stop'), '')
  while (running.size > 0) await pause(50)

  const lines = log()
  let inside: string | null = null
  const wrong: string[] = []
  for (const [index, line] of lines.entries()) {
    const [pid = '', what] = line.split(' ')
    if (what === 'in' && inside !== null && !killed.has(Number(inside)))
      wrong.push(`${index}: ${pid} while ${inside} is inside`)
    if (what === 'out' && inside !== pid) wrong.push(`${index}: ${pid} leaves, and ${inside} is inside`)
    inside = what === 'in' ? pid : null
  }
  t.strictSame(wrong, [])
  t.strictSame(failures, [])
  t.ok(lines.length > 200, `${lines.length / 2} times inside`)
  t.ok(
    lines.filter((line, index) => line.endsWith(' in') && !lines[index + 1]?.endsWith(' out')).length > 0,
    'some were killed inside',
  )
  t.equal(lockHolder(at('lock')), null)
  t.ok(claims(at('lock')).length < 50, 'nothing piles up')
})

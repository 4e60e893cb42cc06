/** Tests the scripts for hosts in a shell: files left by a power cut or a full disk do not mislead them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { followScript, lockScript, startScript } from '../../../../core/fleet/remote/scripts.ts'

const sh = (script: string, args: readonly string[], input?: string) =>
  spawnSync('sh', ['-c', script, 'sh', ...args], { encoding: 'utf8', timeout: 20_000, ...(input ? { input } : {}) })

/** Starts a process whose pid stands for a reused one. */
function stranger(t: Test): ChildProcess {
  const child = spawn('sleep', ['300'])
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

t.test('after a reboot, replaces a lock without a signal to the process that has its number now', async (t) => {
  const state = t.testdir({ "it's here": { held: {} } })
  const at = `${state}/it's here`
  const other = stranger(t)
  writeFileSync(`${at}/held/owner`, `${other.pid}\ndeploy-1\nann\n`)
  utimesSync(`${at}/held`, 0, 0)
  t.match(sh(lockScript, [at, 'deploy-2', 'bob'], '\n'), { status: 0, stdout: '\nheld\n' })
  t.match(readFileSync(`/proc/${other.pid}/stat`, 'utf8'), /\) [SR] /)
})

t.test('one of several that find an expired lock gets it', async (t) => {
  for (let round = 0; round < 3; round++) {
    const at = t.testdir({ held: { owner: '4194304\nold\nann\n' } })
    utimesSync(`${at}/held`, 0, 0)
    const takers = Array.from({ length: 6 }, (_, one) =>
      spawn('sh', ['-c', lockScript, 'sh', at, `rollout-${one}`, `operator ${one}`]),
    )
    const messages = await Promise.all(
      takers.map(
        (taker) => new Promise<string>((resolve) => taker.stdout.once('data', (data) => resolve(String(data)))),
      ),
    )
    for (const taker of takers) taker.stdin.end()
    t.equal(messages.filter((text) => text.includes('held')).length, 1, messages.join('').replaceAll('\n', ' '))
    await Promise.all(takers.map((taker) => taker.exitCode ?? new Promise((resolve) => taker.once('exit', resolve))))
  }
})

t.test('follows the output of a run to its end', async (t) => {
  const runs = t.testdir({ cut: { events: '{"event":"x"}\n', pid: '' }, again: { events: '{"event":"x"}\n' } })
  writeFileSync(`${runs}/again/pid`, `${stranger(t).pid}\n`)
  for (const run of ['cut', 'again'])
    t.match(sh(followScript, [runs, run, '0']), { status: 0, signal: null, stdout: /\n\{"event":"x"\}\n$/ }, run)
  t.equal(sh(followScript, [runs, 'none', '0']).status, 4)
})

t.test('ends when the run and its shell are killed', async (t) => {
  const directory = t.testdir({ lib: {}, engine: {} })
  mkdirSync(`${directory}/runs`)
  spawnSync('ln', ['-s', process.execPath, `${directory}/lib/node`])
  const keeps = ['', '', '', '', '']
  const words = [
    `${directory}/lib`,
    `${directory}/runs`,
    'run',
    `${directory}/engine`,
    ...keeps,
    'sh',
    '-c',
    'echo at work; exec sleep 300',
  ]
  const following = spawn('sh', ['-c', startScript, 'sh', ...words])
  let output = ''
  await new Promise<void>((resolve) =>
    following.stdout.on('data', (data) => {
      output += data
      if (output.includes('at work')) resolve()
    }),
  )
  const pid = Number(readFileSync(`${directory}/runs/run/pid`, 'utf8').split('\n')[0])
  const ended = new Promise((resolve) => following.once('exit', resolve))
  process.kill(-pid, 'SIGKILL')
  t.equal(await ended, 0)
})

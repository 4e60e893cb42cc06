/** Tests how often a program ended soon after its start, by lines as supervisord 4.2.5 writes them. */
import t from 'tap'
import { countEarlyExits } from '../../../resources/supervisor/early_exits.ts'

const spawned = (time: string, name: string, pid: number) =>
  `2026-11-30 ${time} INFO spawned: '${name}' with pid ${pid}`
const exited = (time: string, name: string, how = 'exit status 1; not expected') =>
  `2026-11-30 ${time} WARN exited: ${name} (${how})`
const runningLine = (time: string, name: string) =>
  `2026-11-30 ${time} INFO success: ${name} entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)`
const count = (pid: number, ...lines: string[]) => countEarlyExits(`${lines.join('\n')}\n`, 'client1', pid)

t.test('counts the exits of a program some seconds after each start', async (t) => {
  const lines = [
    spawned('05:52:56,877', 'client1', 10),
    spawned('05:52:56,904', 'client11', 11),
    runningLine('05:52:57,921', 'client1'),
    exited('05:53:00,888', 'client1'),
    exited('05:53:00,900', 'client11'),
    spawned('05:53:00,904', 'client1', 12),
    runningLine('05:53:01,921', 'client1'),
    exited('05:53:04,888', 'client1', 'terminated by SIGSEGV (core dumped); not expected'),
    spawned('05:53:04,904', 'client1', 13),
  ]
  t.equal(count(13, ...lines), 2)
  t.equal(count(12, ...lines), 1, 'up to its current start only')
  t.equal(count(99, ...lines), 0, 'the log lacks the current start')
  t.equal(countEarlyExits('', 'client1', 13), 0)
})

t.test('does not count an exit long after the start, a stop by an operator or a start after FATAL', async (t) => {
  const [first, again] = [spawned('05:52:56,877', 'client1', 10), spawned('05:59:00,904', 'client1', 12)]
  t.equal(count(12, first, exited('05:59:00,888', 'client1'), again), 0)
  const stopped = '2026-11-30 05:53:04,265 WARN stopped: client1 (terminated by SIGTERM)'
  t.equal(count(12, first, stopped, spawned('05:53:05,000', 'client1', 12)), 0)
  const gaveUp = '2026-11-30 05:53:04,257 INFO gave up: client1 entered FATAL state, too many start retries too quickly'
  t.equal(count(12, first, exited('05:53:00,888', 'client1'), gaveUp, spawned('05:53:05,000', 'client1', 12)), 0)
  const early = [first, exited('05:52:58,000', 'client1')]
  t.equal(count(12, ...early, spawned('05:55:00,000', 'client1', 12)), 0, 'started later by hand')
})

t.test('counts lines that a changed clock dates and lines that are cut', async (t) => {
  const lines = [
    spawned('02:59:58,000', 'client1', 10),
    exited('02:00:02,000', 'client1'),
    spawned('02:00:02,100', 'client1', 12),
  ]
  t.equal(count(12, 'd pid 9', ...lines), 1)
})

/**
 * Proves the hints about the configuration of supervisord: a real one triggers each, and works after the hint was
 * followed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { LocalHost } from '../../core/host/local.ts'
import { SupervisorReader } from '../../resources/supervisor/client.ts'
import { needs, scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'

t.test('the hints about the configuration of supervisord work', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const directory = scratch(t)
  const [socket, config] = [`${directory}/s.sock`, `${directory}/s.conf`]
  const whole = `[unix_http_server]
file=${socket}
[supervisord]
logfile=${directory}/s.log
pidfile=${directory}/s.pid
childlogdir=${directory}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
`
  const host = new LocalHost(`${directory}/state`)
  /** Queries a supervisord with this configuration for its state, and for the last byte of a log with this content. */
  const ask = (text: string, log?: string) => async () => {
    writeFileSync(config, text)
    const daemon = spawn('supervisord', ['--nodaemon', '-c', config], { stdio: 'ignore' })
    const ended = once(daemon, 'exit')
    t.teardown(() => daemon.kill('SIGKILL'))
    const reader = new SupervisorReader(host, socket)
    try {
      let state = await reader.getState()
      for (; state === null; state = await reader.getState()) await setTimeout(20)
      if (log === undefined) return state
      writeFileSync(`${directory}/web.log`, log)
      return await reader.readProcessLog('Stdout', 'web', -1)
    } finally {
      daemon.kill()
      await ended
    }
  }
  const other = createServer((_, answer) => answer.writeHead(404).end())
  await new Promise<void>((resolve) => other.listen(`${directory}/other.sock`, resolve))
  t.teardown(() => other.close())
  const source = 'resources/supervisor/client.ts'
  const repaired = ask(whole)
  const withWeb = `${whole}[program:web]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=${directory}/web.log\n`
  proveCalls(t, [
    {
      source,
      hint: 'remove username and password from [unix_http_server] in its configuration, then restart it; the mode of the socket keeps other accounts out',
      broken: ask(whole.replace('[supervisord]', 'username=a\npassword=b\n[supervisord]')),
      repaired,
    },
    {
      source: 'resources/supervisor/faults.ts',
      hint: 'add the section [rpcinterface:supervisor] of the default supervisord.conf to its configuration, then restart it',
      broken: ask(whole.slice(0, whole.indexOf('[rpcinterface'))),
      repaired,
    },
    {
      source,
      hint: 'read its log (logfile in [supervisord]), correct the error there, then run again',
      // supervisord fails if it reads a log from the middle of a character.
      broken: ask(withWeb, 'é'),
      repaired: ask(withWeb, 'e'),
    },
    {
      source,
      hint: 'set the socket to file of [unix_http_server] in the configuration of supervisord',
      broken: () => new SupervisorReader(host, `${directory}/other.sock`).getState(),
      repaired,
    },
  ])
})

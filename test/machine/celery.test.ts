/** Tests a Celery worker and its scheduler with a real Redis: a task whose worker is killed runs again. */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { DeploySite } from '../support/deploy_site.ts'
import { offeredEggs } from '../support/eggs.ts'
import { freePort, needs, type Owner, scratch } from '../support/machine.ts'
import { reservePorts, until } from '../support/wait_until.ts'

t.setTimeout(900_000)
const roles = ['zeo-server', 'zeo-client', 'celerybeat'] as const
const password = 'a/long:random@text'

async function redisServer(t: Owner): Promise<number> {
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', scratch(t), '--requirepass', password]
  const server = spawn('redis-server', options, { stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  t.teardown(() => {
    server.kill()
    return ended
  })
  return port
}

t.test('a task whose worker is killed is done after the restart', async (t) => {
  if (!needs(t, ['root', 'git', 'python3 venv', 'pip registry', 'redis-server'])) return
  await reservePorts(t)
  const port = await redisServer(t)
  const site = await DeploySite.make(t)
  const config = site.read('cfg/celery.cfg').replace('visibility-timeout = 3600', 'visibility-timeout = 5')
  site.commit({ 'cfg/celery.cfg': config })
  const broker = { host: '127.0.0.1', port, password }
  site.json = {
    ...(await offeredEggs(t)),
    plone_instances: { instance_count: 1, enable_celery: true, celery_args: '--concurrency 1 --loglevel INFO', broker },
    deploy: { plone_instances: { buildout_extends: ['cfg/celery.cfg'] } },
  } as JsonObject
  await site.done(t, [], { roles })
  if (!t.passing()) return
  t.match((await site.done(t, [], { roles })).output, /nothing to do/)
  const log = `${site.directory()}/shared/var/log/tasks.log`
  const lines = () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n') : [])
  const count = (line: string) => lines().filter((one) => one === line).length
  const celery = `${site.directory()}/current/bin/celery`
  const send = (name: string, seconds: number) =>
    site.as(
      'sh',
      '-c',
      `cd ${site.directory()}/current && ${celery} call example_site.tasks.slow --args '["${name}", ${seconds}]'`,
    )
  const workers = () => site.processes('bin/celery\0worker')

  await until(() => count('tick') > 1, 'the scheduler sends tasks')
  t.equal(site.processes('bin/celery\0beat').length, 1)

  send('long', 8)
  await until(() => count('long begins') === 1, 'the task runs')
  const killed = workers()
  for (const pid of killed) process.kill(pid, 'SIGKILL')
  await until(() => workers().some((pid) => !killed.includes(pid)), 'supervisord starts another worker')
  await until(() => count('long ends') > 0, 'the task is done', 120)
  t.ok(count('long begins') >= 2, 'it began again')

  await t.test('a restart by converge waits for the task that runs', async (t) => {
    send('restarted', 6)
    await until(() => count('restarted begins') === 1, 'the task runs')
    await site.done(t, ['restart'], { roles })
    t.equal(count('restarted begins'), 1)
    t.equal(count('restarted ends'), 1)
  })
  t.equal(
    fs.statSync(`${site.directory()}/current/parts/celery/celeryconfig.py`).mode & 0o77,
    0,
    'no other account reads it',
  )
})

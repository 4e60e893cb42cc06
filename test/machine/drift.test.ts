/** Tests drift that a real supervisord or nginx has loaded: after a run, both use the declared configuration. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Recipe } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { seconds } from '../../core/model/units.ts'
import { execute } from '../../resources/commands/execute.ts'
import { file } from '../../resources/files/file.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { failureOf } from '../support/contract.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { planOf, run, siteOf } from './support/supervisor_site.ts'

t.test('repairs a program that was edited and updated by hand', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const { confDir, socket, supervisor } = site
  const path = `${confDir}/p.conf`
  const declared = (r: Recipe<unknown>) => {
    const program = supervisor_program(r, {
      name: 'p',
      command: '/bin/sleep 1002',
      environment: { COLOUR: 'blue' },
      confDir,
      socket,
    })
    service_restart(r, {
      provider: { kind: 'supervisor', socket },
      services: [{ name: 'p', configuration: program.digest, ready: { kind: 'uptime', time: seconds(1) } }],
    })
  }
  const pid = async () => (await supervisor.fetchAllProcessInfo()).find(({ group }) => group === 'p')?.pid ?? 0
  const environment = async () => readFileSync(`/proc/${await pid()}/environ`, 'utf8')
  // Between fork and exec, a process has no environment.
  const started = () =>
    until(async () => (await pid()) !== 0 && (await environment().catch(() => '')) !== '', 'p is started')
  /** Does the same as `supervisorctl update`. */
  const update = async () => {
    await supervisor.reloadConfig()
    await supervisor.stopProcess('p')
    await until(async () => (await pid()) === 0, 'p is stopped')
    await supervisor.removeProcessGroup('p')
    await supervisor.addProcessGroup('p')
    await started()
  }
  const converged = async () => {
    t.strictSame(failureOf(await run(site, declared)), undefined)
    t.match(await environment(), /COLOUR=blue\0/)
    const [before, again] = [await pid(), await run(site, declared)]
    t.equal(again.outcome, 'unchanged')
    t.equal(await pid(), before)
  }
  await converged()
  const whole = readFileSync(path, 'utf8')
  writeFileSync(path, whole.replace('blue', 'red'))
  await update()
  t.match(await environment(), /COLOUR=red\0/)
  await converged()
  for (const damaged of ['', whole.slice(0, 60), whole.slice(60), '\0'.repeat(50), '<<<<<<< HEAD\n']) {
    writeFileSync(path, damaged)
    await converged()
  }

  // The file is restored manually, without a second update.
  writeFileSync(path, whole.replace('blue', 'red'))
  await update()
  writeFileSync(path, whole)
  t.match(await environment(), /COLOUR=red\0/)
  await converged()
  // A restart of the program without a difference in its file: the process stays.
  await supervisor.stopProcess('p')
  await until(async () => (await pid()) === 0, 'p is stopped')
  await supervisor.startProcess('p')
  await started()
  await sleep(1500)
  const byHand = await pid()
  t.equal((await run(site, declared)).outcome, 'unchanged')
  t.equal(await pid(), byHand)

  const other = `${confDir}/zzz-old.conf`
  for (const text of [
    '[program:p]\ncommand=/bin/sleep 3333\n',
    '[program:q]\ncommand=/bin/sleep 9\n[group:g]\nprograms=q,p\n',
  ]) {
    writeFileSync(other, text)
    const before = await pid()
    t.match(failureOf(await run(site, declared)), { code: 'PROGRAM_TAKEN', message: /p\.conf.*zzz-old\.conf/ })
    t.equal(await pid(), before)
  }
  rmSync(other)
  await converged()
})

t.test('repairs a site that was emptied, with nginx reloaded', async (t) => {
  if (!needs(t, ['nginx'])) return
  const [directory, port] = [scratch(t), await freePort()]
  const [main, sites] = [`${directory}/nginx.conf`, `${directory}/sites`]
  mkdirSync(sites)
  writeFileSync(
    main,
    `pid ${directory}/nginx.pid;\nerror_log ${directory}/error.log;\nevents {\n}\nhttp {\n  access_log off;\n  include ${sites}/*;\n}\n`,
  )
  const nginx = (...words: string[]) =>
    spawnSync('/usr/sbin/nginx', ['-e', `${directory}/error.log`, '-c', main, ...words])
  const host = new LocalHost(`${directory}/state`)
  const site = `${sites}/shop`
  const content = `server {\n  listen 127.0.0.1:${port};\n  location / {\n    return 200 "shop";\n  }\n}\n`
  const plan = planOf((r) => {
    const shop = file(r, { path: site, content })
    const reload = ['/usr/sbin/nginx', '-e', `${directory}/error.log`, '-c', main, '-s', 'reload']
    execute(r, { name: 'reload', command: reload, when: [shop] })
  })
  const page = () =>
    host.request({ port, path: '/' }).then(
      ({ body }) => body,
      () => '',
    )
  nginx()
  t.teardown(() => nginx('-s', 'stop'))
  const converged = async () => {
    const report = await converge(plan, host, { id: 'drift', mode: 'run' })
    t.strictSame(failureOf(report), undefined)
    await until(async () => (await page()) === 'shop', 'nginx serves the page')
    t.equal((await converge(plan, host, { id: 'drift', mode: 'run' })).outcome, 'unchanged')
  }
  await converged()
  for (const drift of ['', content.replace('shop', 'other')]) {
    writeFileSync(site, drift)
    nginx('-s', 'reload')
    await until(async () => (await page()) !== 'shop', 'nginx has loaded the drift')
    await converged()
  }
})

/**
 * Tests the units and jobs by which a host runs converge automatically: their text, their changes and their removal.
 */
import t from 'tap'
import { HooksMachine, hookOptions } from '../support/hooks_machine.ts'

t.test('writes, links and starts units, and leaves them unchanged the second time', async (t) => {
  const machine = new HooksMachine('systemd')
  const before = machine.host.changes.length
  const { report } = await machine.run('hooks_install', {}, 'plan')
  t.equal(machine.host.changes.length, before, 'a dry run writes nothing')
  const { changes, warnings } = await machine.done(t, 'hooks_install')
  t.strictSame(warnings, [])
  const planned = report?.resources.flatMap(({ name, outcome }) => (outcome === 'planned' ? [name] : []))
  t.strictSame(changes, planned, 'the dry run reports the changes of the run')
  t.strictSame([...machine.activeUnits].sort(), ['converge-configure.timer', 'converge-shutdown.service'])
  t.equal(machine.systemctlCalls[0], 'daemon-reload', 'read before they are started')
  t.equal(
    machine.host.readLink('/etc/systemd/system/timers.target.wants/converge-configure.timer'),
    '/etc/systemd/system/converge-configure.timer',
  )
  t.notOk(
    machine.systemctlCalls.some((line) => /converge-setup|converge-configure\.service/.test(line)),
    'nothing is run now',
  )
  t.strictSame((await machine.done(t, 'hooks_install')).changes, [])

  const messageCount = machine.systemctlCalls.length
  const { changes: other } = await machine.done(t, 'hooks_install', { interval: 3600 })
  t.match(other, ['file /etc/systemd/system/converge-configure.timer'])
  t.strictSame(machine.systemctlCalls.slice(messageCount), ['daemon-reload', 'restart converge-configure.timer'])
  t.match(machine.unit('converge-configure.timer'), 'OnActiveSec=3600s\nOnUnitInactiveSec=3600s\n')
  const { shown } = await machine.run('show')
  t.match(shown, [
    { name: 'converge-setup.service', installed: true, detail: 'is due at the next boot' },
    { name: 'converge-configure.timer', installed: true, detail: /^active, has not run yet/ },
    { name: 'converge-shutdown.service', installed: true, detail: 'active' },
  ])
  machine.activeUnits.add('converge-configure.service')
  t.match((await machine.run('show')).shown?.[1], { detail: 'active, runs now' })
})

t.test('quotes the words of the command for systemd', async (t) => {
  const machine = new HooksMachine('systemd')
  await machine.done(t, 'hooks_install')
  const quoted = '--role web --json "/etc/converge/a \\"site\\"$$x%%.json"'
  const setup = machine.unit('converge-setup.service')
  t.match(setup, `ExecStart=/usr/bin/node /opt/start.cjs apply ${quoted}\n`)
  t.match(setup, 'ConditionPathExists=!/var/lib/converge/first-boot-done\n')
  t.match(setup, 'KillMode=mixed')
  const shutdown = machine.unit('converge-shutdown.service')
  t.match(
    shutdown,
    `ExecStop=/bin/sh -c "[ \\"$$(systemctl is-system-running)\\" = stopping ] || exit 0; exec /usr/bin/node /opt/start.cjs shutdown --role web --json '/etc/converge/a \\"site\\"$$x%%.json'"\n`,
  )
  t.match(shutdown, /^After=network-online\.target .*supervisor\.service$/m)
  await machine.done(t, 'hooks_install', { prefixed: true })
  t.match(machine.unit('converge-configure.service'), 'KillMode=process', 'a supervisord that a run starts outlives it')
})

t.test('a unit calls a program whose path systemd would refuse', async (t) => {
  const machine = new HooksMachine('systemd')
  const program = ['/opt/a $b%c"d/run', '$HOME', '']
  await machine.done(t, 'hooks_install', { commands: { setup: program, configure: program, shutdown: program } })
  const words = '"/opt/a $$b%%c\\"d/run" "$$HOME" ""'
  t.match(machine.unit('converge-configure.service'), `ExecStart=/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" ${words}\n`)
})

t.test('replaces the other scheduler of the host', async (t) => {
  const machine = new HooksMachine('other')
  await machine.done(t, 'hooks_install')
  machine.init = 'systemd'
  machine.host.given('/run/systemd/system', null)
  await machine.done(t, 'hooks_install')
  t.strictSame(machine.host.list('/etc/cron.d'), [])
  machine.init = 'other'
  await machine.done(t, 'hooks_install')
  t.equal(machine.unit('converge-configure.timer'), '')
  t.equal(machine.host.list('/etc/cron.d').length, 2)
})

t.test('stops and removes the units of the hooks', async (t) => {
  const machine = new HooksMachine('systemd')
  const directories = ['', '/multi-user.target.wants', '/timers.target.wants'].map(
    (suffix) => `/etc/systemd/system${suffix}`,
  )
  const installedFiles = () =>
    directories.flatMap((directory) => machine.host.list(directory)).filter((name) => name.startsWith('converge-'))
  await machine.done(t, 'hooks_install')
  t.equal(installedFiles().length, 7)
  machine.host.given(hookOptions.stamp, '')
  machine.activeUnits.add('converge-setup.service')
  await machine.done(t, 'hooks_remove')
  t.strictSame(installedFiles(), [])
  t.strictSame([...machine.activeUnits], [], 'stops a unit that waits for its next attempt too')
  t.strictSame(machine.systemctlCalls.slice(-2), [
    'daemon-reload',
    'reset-failed converge-setup.* converge-configure.* converge-shutdown.*',
  ])
  t.equal(machine.host.stat(hookOptions.stamp), null)
  t.strictSame((await machine.done(t, 'hooks_remove')).changes, [])
  const { shown } = await machine.run('show')
  t.ok(shown.every(({ installed }) => !installed))
})

t.test('uses cron without systemd, and reports what cron cannot do', async (t) => {
  const machine = new HooksMachine('other')
  const { warnings, notes } = await machine.done(t, 'hooks_install')
  t.match(notes, [/no systemd runs on this host: .*nothing runs shutdown/])
  t.strictSame(warnings, [], 'a note, because no operator can repair it')
  const setup = machine.host.readText('/etc/cron.d/converge-setup')
  t.match(
    setup,
    `\n@reboot root [ -e ${hookOptions.stamp} ] || { /usr/bin/node /opt/start.cjs apply --role web --json '/etc/converge/a "site"$x\\%.json' && touch ${hookOptions.stamp}; }\n`,
  )
  const configure = machine.host.readText('/etc/cron.d/converge-configure')
  t.match(configure, '\n*/5 * * * * root sleep $(shuf -i 0-60 -n 1); /usr/bin/node /opt/start.cjs configure')
  t.match(configure, 'PATH=/usr/local/sbin:/usr/local/bin:')
  t.strictSame((await machine.done(t, 'hooks_install')).changes, [])
  for (const [interval, schedule] of [
    [60, '* * * * *'],
    [3600, '0 * * * *'],
    [7200, '0 */2 * * *'],
    [86_400, '0 0 * * *'],
  ] as const) {
    await machine.done(t, 'hooks_install', { interval, jitter: 0 })
    t.match(machine.host.readText('/etc/cron.d/converge-configure'), `\n${schedule} root /usr/bin/node`)
  }
  for (const interval of [90, 420, 10_800 + 60, 5 * 3600])
    await t.rejects(machine.run('hooks_install', { interval }), { code: 'INVALID_INTERVAL', hint: /5m, 10m/ })
  t.match((await machine.run('show')).shown, [{ installed: true }, { installed: true }])
  await machine.done(t, 'hooks_remove')
  t.strictSame(machine.host.list('/etc/cron.d'), [])
  t.match((await machine.run('show')).shown, [{ installed: false }, { installed: false }])
})

t.test('uses the crontab of an ordinary user, also with systemd', async (t) => {
  const machine = new HooksMachine('systemd', 1000)
  machine.host.given('/crontab', '0 0 * * * mine\n')
  const { warnings, notes } = await machine.done(t, 'hooks_install')
  t.match(notes, [/only root can install units of systemd/])
  t.strictSame(warnings, [])
  t.match(
    machine.host.readText('/crontab'),
    /^0 0 \* \* \* mine\n# BEGIN converge converge-setup\n@reboot export PATH=/,
  )
  t.match((await machine.run('show')).shown, [{ installed: true }, { installed: true }])
  await machine.done(t, 'hooks_remove')
  t.equal(machine.host.readText('/crontab'), '0 0 * * * mine\n')
})

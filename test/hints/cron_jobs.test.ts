/** Proves the hints about jobs of cron: triggers each on an in-memory host, then follows it. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { cron } from '../../resources/cron/cron.ts'
import { file } from '../../resources/files/file.ts'
import { crontabPrograms, programs, spool } from '../support/commands.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const known = programs(crontabPrograms)
/** A crontab that only accounts in /etc/cron.allow may use, if that file exists. */
const commands: CommandHandler = (argv, options, host) => {
  const allowed = host.readText('/etc/cron.allow')?.split('\n')
  return allowed === undefined || allowed.includes(host.self.name)
    ? known(argv, options, host)
    : { status: 1, stderr: `You (${host.self.name}) are not allowed to use this program (crontab)` }
}

const account = (name: string) => ({
  self: { name, uid: 1000, gid: 1000, home: `/home/${name}`, shell: '/bin/sh' },
})
const job = { name: 'tidy', schedule: '0 3 * * *', command: 'date' }
const declare =
  (more: object): Declare =>
  (r) =>
    cron(r, { ...job, ...more })
const withCron = (host: VirtualHost) => host.given('/usr/bin/crontab', '', '0755').given('/etc/cron.d', null)
const block = '# BEGIN converge tidy\n0 3 * * * date\n'

t.test('the hints about accounts work', async (t) => {
  const source = 'resources/cron/cron.ts'
  const asDeploy = 'run converge as root, or as deploy'
  const mail = 'set MAILTO at the head of the crontab yourself (crontab -e), or run converge as root'
  proveResources(t, [
    {
      source,
      hint: asDeploy,
      commands,
      host: account('ann'),
      given: withCron,
      broken: declare({ user: 'deploy' }),
      repairedHost: account('deploy'),
    },
    {
      source,
      hint: asDeploy,
      commands,
      host: account('ann'),
      given: withCron,
      broken: declare({ user: 'deploy' }),
      repairedHost: {},
    },
    {
      source,
      hint: mail,
      commands,
      host: account('ann'),
      given: withCron,
      broken: declare({ environment: { MAILTO: 'ann' } }),
      repair: (host) => host.given(spool(host), 'MAILTO=ann\n'),
      repaired: declare({}),
    },
    {
      source,
      hint: mail,
      commands,
      host: account('ann'),
      given: withCron,
      broken: declare({ environment: { MAILTO: 'ann' } }),
      repairedHost: {},
    },
    {
      source,
      hint: 'as root, add ann to /etc/cron.allow',
      commands,
      host: account('ann'),
      given: (host) => withCron(host).given('/etc/cron.allow', 'root\n'),
      broken: declare({}),
      repair: (host) => host.given('/etc/cron.allow', 'root\nann\n'),
    },
  ])
})

t.test('the hints about values that cron cannot hold work', async (t) => {
  const source = 'resources/cron/cron.ts'
  const value = `"it's"`
  const long = `echo ${'x'.repeat(1000)}`
  proveResources(t, [
    {
      source,
      hint: 'set the variable in the command, or in a script that the command runs',
      commands,
      given: withCron,
      broken: declare({ environment: { A: value } }),
      repaired: declare({ command: `A='"it'\\''s"' date` }),
    },
    {
      source,
      hint: 'write it to a script, and declare the script as the command',
      commands,
      given: withCron,
      broken: declare({ command: long }),
      repaired(r) {
        const script = file(r, { path: '/srv/job', content: `#!/bin/sh\n${long}\n`, mode: '0755' })
        declare({ command: '/srv/job', when: [script] })(r)
      },
    },
  ])
})

t.test('the hints about a damaged crontab work', async (t) => {
  const source = 'resources/cron/crontab.ts'
  const hint = 'add that line, or remove the lines of the job, with crontab -e'
  const given = (host: VirtualHost) => withCron(host).given(spool(host), `MAILTO=ann\n${block}5 * * * * hers\n`)
  const edited = (text: string) => (host: VirtualHost) => host.given(spool(host), text)
  const host = account('ann')
  proveResources(t, [
    {
      source,
      hint,
      commands,
      host,
      given,
      broken: declare({}),
      repair: edited(`MAILTO=ann\n${block}# END converge tidy\n5 * * * * hers\n`),
    },
    { source, hint, commands, host, given, broken: declare({}), repair: edited('MAILTO=ann\n5 * * * * hers\n') },
  ])
})

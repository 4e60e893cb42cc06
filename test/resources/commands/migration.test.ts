/** Tests migration: a command that runs once for each commit. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { migration } from '../../../resources/commands/migration.ts'
import { contract } from '../../support/contract.ts'

const release = '/srv/site/releases/000002-1a2b3c4d'
const base = { app: 'site', command: ['bin/migrate', '--all'], commit: '1a2b', directory: release }
const anna = { name: 'anna', uid: 1000, gid: 1000, home: '/home/anna', shell: '/bin/sh' }
const commands: CommandHandler = (argv, { cwd }, host) => {
  if (argv.includes('fail')) return { status: 1, stderr: 'the data is odd' }
  host.given('/srv/log', `${host.readText('/srv/log') ?? ''}${argv.join(' ')} in ${cwd}\n`)
  return {}
}
const host = { commands, self: anna }
const logOf = (on: VirtualHost) => on.readText('/srv/log')

contract(t, migration, [
  {
    name: 'runs once for a commit',
    props: base,
    host,
    changes: ['replace /migratedFor'],
    then: (t, on) => t.match(logOf(on), `bin/migrate --all in ${release}\n`),
  },
  {
    name: 'runs a string with the shell',
    props: { ...base, command: 'bin/migrate && bin/reindex' },
    host,
    then: (t, on) => t.match(logOf(on), '/bin/sh -c bin/migrate && bin/reindex'),
  },
  {
    name: 'fails if the command fails',
    props: { ...base, command: ['fail'] },
    host,
    fails: /exited with status 1.*the data is odd/s,
  },
  {
    name: 'does not run for the current release',
    props: { ...base, command: ['fail'], current: '/srv/site/current' },
    host,
    given: (on) => void on.given('/srv/site/current', { link: release }),
    changes: [],
  },
  {
    name: 'runs while another release is current',
    props: { ...base, current: '/srv/site/current' },
    host,
    given: (on) => void on.given('/srv/site/current', { link: '/srv/site/releases/000001-00000000' }),
    changes: ['replace /migratedFor'],
  },
  { name: 'fails as root', props: base, host: { commands }, fails: /the migration would run as root/ },
])

/** Tests execute: when a command runs, as which account, and how it fails. */
import t from 'tap'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { file } from '../../../resources/files/file.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

/** Fakes of `make PATH`, `note TEXT` (adds a line to /srv/log) and `fail`; the script of /bin/sh is added as a note. */
const commands: CommandHandler = ([program, ...args], options, host) => {
  const note = (text: string) => host.given('/srv/log', `${host.readText('/srv/log') ?? ''}${text}\n`)
  if (program === 'make') host.given(args[0] ?? '', 'made')
  else if (program === 'note') note(args.join(' '))
  else if (program === '/bin/sh') note(`sh ${args.join(' ')}`)
  else if (program === 'report') note(JSON.stringify([options.cwd, options.user, options.group, options.environment]))
  else if (program === 'fail') return { status: 3, stderr: 'no way' }
  else return program === 'nothing' ? {} : null
  return {}
}
const host = { commands }
const logOf = (host: VirtualHost) => host.readText('/srv/log')

contract(t, execute, [
  {
    name: 'creates a missing path',
    props: { command: ['make', '/srv/made'], creates: '/srv/made' },
    host,
    changes: ['replace /runs = 1', 'replace /creates = "present"'],
    then: (t, host) => t.equal(host.readText('/srv/made'), 'made'),
  },
  {
    name: 'does not run if the path exists',
    props: { command: ['fail'], creates: '/srv/made' },
    given: (host) => host.given('/srv/made', { link: '/nowhere' }),
    host,
    changes: [],
  },
  {
    name: 'fails if the command does not create the declared path',
    props: { command: ['nothing'], creates: '/srv/made' },
    host,
    fails: /ended well.*\/srv\/made is not there.*correct the path/s,
  },
  {
    name: 'fails if the command fails',
    props: { command: ['fail'], creates: '/srv/made' },
    host,
    fails: /fail exited with status 3.*no way/s,
  },
  { name: 'fails if the program does not exist', props: { command: ['gone'] }, host, fails: /cannot run gone/ },
  {
    name: 'fails if the account does not exist',
    props: { command: ['nothing'], user: 'nobody-here' },
    host,
    fails: /no account nobody-here.*user\(\)/s,
  },
  {
    name: 'fails for another account without root',
    props: { command: ['nothing'], user: 'root' },
    host: { commands, self: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' } },
    fails: /only root.*run converge as root/s,
  },
])

const twice = async (plan: ReturnType<typeof planOf>, host: VirtualHost) => [
  await run(plan, host),
  await run(plan, host),
]

t.test('without creates and when, it runs every time, and the plan shows that', async (t) => {
  const plan = planOf((r) => execute(r, { command: ['note', 'hello'] }))
  const host = new VirtualHost({ commands })
  const dry = await run(plan, new VirtualHost({ base: host }), 'plan')
  const [first, second] = await twice(plan, host)
  t.strictSame(patchOf(dry), patchOf(first!))
  t.strictSame([first!.counts.changed, second!.counts.changed], [1, 1])
  t.strictSame(patchOf(second!), ['replace /runs = 2'])
  t.equal(logOf(host), 'hello\nhello\n')
})

t.test('passes its properties to the command', async (t) => {
  const plan = planOf((r) => {
    execute(r, { command: ['report'], cwd: '/srv', user: 'root', group: 'root', environment: { A: 'b c' } })
    execute(r, { command: 'echo "$A" > x', timeout: seconds(5) })
    execute(r, { name: 'accepts exit status 3', command: ['fail'], accept: [0, 3] })
  })
  const host = new VirtualHost({ commands })
  t.equal(failureOf(await run(plan, host)), undefined)
  t.equal(logOf(host), '["/srv","root","root",{"A":"b c"}]\nsh -c echo "$A" > x\n')
})

t.test('with when, it runs for each new cause until it succeeds', async (t) => {
  const planFor = (content: string, command: string[]) =>
    planOf((r) => {
      const config = file(r, { path: '/srv/config', content })
      execute(r, { name: 'reload', command, when: [config] })
    })
  const host = new VirtualHost({ commands })
  await twice(planFor('a', ['note', 'a']), host)
  t.equal(logOf(host), 'a\n', 'once for the first state')
  const failed = await run(planFor('b', ['fail']), host)
  t.equal(failed.outcome, 'failed')
  await twice(planFor('b', ['note', 'b']), host)
  t.equal(logOf(host), 'a\nb\n', 'a failed one is due again, though the file is unchanged')
  await twice(planFor('a', ['note', 'back']), host)
  t.equal(logOf(host), 'a\nb\nback\n', 'going back is a change as well')
})

t.test('with creates and when, either makes the command due', async (t) => {
  const planFor = (content: string) =>
    planOf((r) => {
      const config = file(r, { path: '/srv/config', content })
      execute(r, { name: 'build', command: ['make', '/srv/made'], creates: '/srv/made', when: [config] })
    })
  const host = new VirtualHost({ commands })
  const runs = () => host.changes.filter((change) => change.startsWith('run ')).length
  await twice(planFor('a'), host)
  t.equal(runs(), 1)
  host.remove('/srv/made')
  await twice(planFor('a'), host)
  t.equal(runs(), 2, 'it was missing')
  await twice(planFor('b'), host)
  t.equal(runs(), 3, 'its cause has changed')
})

t.test('resources with when act after the command has run', async (t) => {
  const plan = planOf((r) => {
    const built = execute(r, { command: ['make', '/srv/made'], creates: '/srv/made' })
    execute(r, { command: ['note', 'restarted'], when: [built] })
  })
  const host = new VirtualHost({ commands })
  await twice(plan, host)
  t.equal(logOf(host), 'restarted\n')
  host.remove('/srv/made')
  await twice(plan, host)
  t.equal(logOf(host), 'restarted\nrestarted\n')
})

t.test('a dry run does not know the content of what the command creates', async (t) => {
  const plan = planOf((r) => {
    execute(r, { command: ['make', '/srv/made/tool'], creates: '/srv/made' })
    file(r, { path: '/srv/made/config', content: 'x' })
    file(r, { path: '/srv/beside', content: 'x' })
  })
  const report = await run(plan, new VirtualHost({ base: new VirtualHost({ commands }) }), 'plan')
  t.strictSame(
    report.resources.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['planned', undefined],
      ['unknown', '(known after execute make /srv/made/tool)'],
      ['planned', undefined],
    ],
  )
})

t.test('further attempts belong to one run, and the report counts them', async (t) => {
  let left = 2
  const host = new VirtualHost({ commands: () => (left-- > 0 ? { status: 1, stderr: 'not yet' } : {}) })
  const plan = planOf((r) => execute(r, { command: ['try'], retries: 3, retryDelay: seconds(0) }))
  const report = await run(plan, host)
  t.match(report.resources, [{ outcome: 'changed', attempts: 3 }])
  t.equal(host.recorded('execute try runs'), '1')
})

t.test('refuses commands, paths and variables that the system would refuse', (t) => {
  for (const [props, property] of [
    [{ command: [''] }, 'command'],
    [{ command: ['echo', 'a\0b'] }, 'command.1'],
    [{ command: 'echo a\0b' }, 'command'],
    [{ command: ['echo', '\ud800'] }, 'command.1'],
    [{ command: ['echo'], environment: { A: 'a\0b' } }, 'environment.A'],
    [{ command: ['echo'], environment: { A: '\udfff' } }, 'environment.A'],
  ] as const)
    t.throws(() => planOf((r) => execute(r, props as never)), {
      code: 'INVALID_PROP',
      message: new RegExp(`^execute: property ${property}[: ]`),
    })
  t.end()
})

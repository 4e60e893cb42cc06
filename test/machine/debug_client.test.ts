/**
 * Tests `converge debug-client` (docs/deploys.md) with a real Zope site: beside its clients, without a port, and without
 * traces.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import { DeploySite } from '../support/deploy_site.ts'
import { offeredEggs } from '../support/eggs.ts'
import { needs } from '../support/machine.ts'
import { reservePorts } from '../support/wait_until.ts'

t.setTimeout(900_000)

/** Python for the prompt: its account, its listening sockets, and a change of the database. */
const session = `import os
held = {os.readlink('/proc/self/fd/' + one) for one in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + one)}
listening = [row.split()[9] for table in ('tcp', 'tcp6') for row in open('/proc/net/' + table) if row.split()[3] == '0A']
print('LISTENS', sum('socket:[' + one + ']' in held for one in listening))
print('ACCOUNT', os.getuid(), 'OF', app.getPhysicalPath())
import transaction
app.debugged = 'kept'
transaction.commit()
`

t.test('a debug client runs beside the clients of the site', async (t) => {
  if (!needs(t, ['root', 'git', 'python3 venv', 'pip registry'])) return
  await reservePorts(t)
  const site = await DeploySite.make(t)
  // A running client locks its persistent cache.
  site.json = { ...(await offeredEggs(t)), plone_instances: { instance_count: 1, persistent_cache: true } }
  const none = await site.converge(['debug-client'], { roles: ['zeo-client'] })
  t.match(none, { status: 1, output: /plone_instances has no current release: .*\n.*hint: deploy the app first/ })
  await site.done(t, [])
  if (!t.passing()) return
  const release = `${site.directory()}/releases/${site.currentPath()}`
  const traces = () => [
    ...fs.readdirSync(`${release}/.converge`).sort(),
    ...fs.readdirSync(`${site.directory()}/shared/var`, { recursive: true }).map(String).sort(),
  ]
  const before = traces()
  const serving = site.processes('client1')
  const accountOf = (text: string) => /ACCOUNT (\d+) OF \('',?\)|ACCOUNT (\d+) OF/.exec(text)?.slice(1).find(Boolean)

  await t.test('as the account of the site', async (t) => {
    const fed = ['sh', '-c', `printf '%s' "$SESSION" | exec "$@"`, 'sh']
    const ended = await site.converge(['debug-client'], {
      roles: ['zeo-client'],
      through: fed,
      environment: { SESSION: session },
    })
    t.equal(ended.status, 0, ended.output)
    t.match(ended.output, 'LISTENS 0')
    t.equal(accountOf(ended.output), String(site.account.uid))
    t.strictSame(traces(), before, 'nothing is left')
    t.strictSame(site.processes('client1'), serving, 'the client of the site runs on')
  })

  const json = `${site.root}/root.json`
  const { name } = site.account
  const group = site.as('id', '-gn').trim()
  fs.writeFileSync(json, JSON.stringify({ deploy: { plone_instances: { user: name, group } } }))
  const program = `${site.root}/dist/start.cjs`
  const words = [
    'debug-client',
    '--role',
    'zeo-client',
    '--json',
    json,
    '--prefix',
    site.prefix,
    '--config-dir',
    site.home,
  ]
  const env = { PATH: process.env.PATH ?? '', TERM: 'dumb', HOME: '/root' }

  await t.test('as root, the client runs as the account', async (t) => {
    const script = `${site.root}/count.py`
    fs.writeFileSync(script, "import os\nprint('DEBUGGED', app.debugged, os.getuid(), os.getgroups())\n")
    const ended = spawnSync(process.execPath, [program, ...words.toSpliced(1, 0, script)], { env, encoding: 'utf8' })
    t.equal(ended.status, 0, ended.stdout + ended.stderr)
    t.match(ended.stdout, new RegExp(`DEBUGGED kept ${site.account.uid} \\[`), 'the change is in the database')
    t.strictSame(traces(), before)
  })

  await t.test('as root at a terminal, the account gets a terminal of its own', async (t) => {
    const typed = `import os; print('SEEN', app.debugged, os.getuid(), os.isatty(0), os.ttyname(0)); os._exit(0)\n`
    const inside = [process.execPath, program, ...words].join(' ')
    const ended = spawnSync('script', ['-qec', `tty; ${inside}`, '/dev/null'], {
      env,
      encoding: 'utf8',
      input: typed,
      timeout: 120_000,
    })
    t.equal(ended.status, 0, ended.stdout + ended.stderr)
    const [, outer] = /^(\/dev\/pts\/\d+)\r?$/m.exec(ended.stdout) ?? []
    const [, uid, inner] = /^SEEN kept (\d+) True (\/dev\/pts\/\d+)\r?$/m.exec(ended.stdout) ?? []
    t.equal(uid, String(site.account.uid), ended.stdout)
    t.ok(outer && inner && outer !== inner, `${outer} and ${inner}`)
    t.strictSame(traces(), before)
  })

  await t.test('a killed one leaves nothing', async (t) => {
    const fed = ['sh', '-c', `{ printf 'print("AT WORK")\\n'; sleep 60; } | exec "$@"`, 'sh']
    const run = site.start(['debug-client'], { roles: ['zeo-client'], through: fed })
    await run.written(/AT WORK/)
    run.signal('SIGTERM')
    t.not((await run.ended).status, 0)
    t.strictSame(traces(), before)
  })

  await t.test('other roles have no client', async (t) => {
    t.match(await site.converge(['debug-client'], { roles: ['zeo-server'] }), {
      status: 2,
      output: /no role of zeo-server has a Zope client\n.*hint: name the role of the clients: --role zeo-client/,
    })
  })
})

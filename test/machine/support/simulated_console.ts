/** Starts a console whose commands are answered by a program of the test, so that it needs no host. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type RunningConsole, startConsole } from '../../../core/console/main.ts'
import type { ConsoleSettings } from '../../../core/console/settings.ts'
import { plainNode } from '../../support/node22.ts'
import { Client } from './console.ts'

/** Answers for the commands of a console, by the words after `converge stack`. */
const program = `const [, , , command, ...options] = process.argv
console.error(options.join(' '))
const print = (value) => console.log(JSON.stringify(value))
const hosts = ['web1', 'web2', 'db1']
const layers = [
  { name: 'web', title: 'Web servers', roles: ['nginx', 'zeo-client'], hosts: ['web1', 'web2'] },
  { name: 'db', title: 'Database', roles: ['zeo-server'], hosts: ['db1'] },
]
switch (command) {
  case 'show':
    print({
      stack: 'shop', environment: null, layers, secretAttributes: [], secretNames: [], apps: [{ name: 'site', repository: process.cwd() + '/site.git' }],
      hosts: hosts.map((name, index) => ({ name, address: '10.0.0.' + index, layers: layers.filter((one) => one.hosts.includes(name)).map((one) => one.name), roles: [], status: 'online' })),
    })
    break
  case 'plan':
    print({ event: 'start', action: 'plan', stack: 'shop', hosts, strategy: 'parallel' })
    print({ event: 'end', report: { outcome: 'planned', hosts: [] } })
    break
  case 'status': {
    const service = (name, up) => ({ name, state: up ? 'running' : 'failed', up })
    const closed = require('fs').existsSync('closed') ? { by: 'ann, console', at: '2026-11-30T10:00:00Z' } : null
    const state = (services) => ({
      roles: ['zeo-client'], lock: null, disk: null, lastRun: { started: '2026-11-30T09:00:00Z', outcome: 'changed', events: ['deploy'] },
      apps: [{ name: 'site', current: { id: '000007-0123abcd', commit: '0123abcd'.repeat(5), revision: 'main' }, closed, services }],
    })
    print({ event: 'done', host: 'web1', phase: 'status', outcome: 'unchanged', status: state([service('client1', true), service('client2', true)]) })
    print({ event: 'done', host: 'web2', phase: 'status', outcome: 'unchanged', behind: 'deployment 12', status: state([service('<b>client3</b>', false)]) })
    print({ event: 'done', host: 'db1', phase: 'connect', outcome: 'failed', failure: { code: 'SSH', message: 'cannot connect to db1', hint: 'check that sshd is running' } })
    print({ event: 'end', report: { outcome: 'failed', hosts: [] } })
    process.exitCode = 1
    break
  }
  case 'attributes': {
    const key = options[options.indexOf('--explain') + 1]
    if (options.includes('--explain') && key !== 'plone_instances.per_cpu') {
      print({ event: 'error', code: 'UNKNOWN_ATTRIBUTE', message: 'unknown attribute ' + key, hint: 'did you mean this?' })
      process.exit(2)
    }
    const origins = [{ kind: 'host', from: 'stack.yaml:10:94', value: 5 }, { kind: 'schema', from: 'default', value: 2 }]
    const other = [{ path: 'site.title', value: '<i>Shop</i>', sensitive: false, origins: [{ kind: 'stack', from: 'stack.yaml:2:3', value: '<i>Shop</i>' }] }]
    print({ attributes: [{ path: 'plone_instances.per_cpu', value: 5, sensitive: false, origins }, ...(options.includes('--origins') ? other : [])] })
    break
  }
  case 'deployments':
    print([{ id: '000012', action: 'deploy', by: 'ann@ops', outcome: 'changed' }])
    break
  case 'maintenance': {
    const fs = require('fs')
    fs.writeFileSync('maintenance', options.join(' '))
    if (options.includes('on')) fs.writeFileSync('closed', '')
    else fs.rmSync('closed')
    const result = { stdout: '', stderr: '', status: 0, failure: null }
    print({ event: 'start', hosts })
    print({ event: 'done', host: 'web1', ...result })
    print({ event: 'done', host: 'web2', ...result, ...(fs.existsSync('stuck') ? { status: 1, stderr: 'another run is under way' } : {}) })
    print({ event: 'end', hosts: 2, failed: [] })
    break
  }
  case 'balancer': {
    const fs = require('fs')
    const [action] = options.filter((word) => /^(list|drain|ready)$/.test(word))
    if (action === 'drain') fs.writeFileSync('drained', '')
    if (action === 'ready') fs.rmSync('drained')
    const server = (name, admin, up) => ({ name: 'site/' + name, backend: 'site', address: '10.0.0.1:8081', admin, up, checked: true, takesVisitors: up && admin === 'ready', check: up ? 'L7OK' : '<b>L4CON</b>', sessions: 3, queue: 0, sticky: false })
    const one = server('plone1-1', fs.existsSync('drained') ? 'drain' : 'ready', true)
    const answer = action === 'list' ? { servers: [one, server('plone2-1', 'ready', false)], problem: null } : { server: one }
    print({ event: 'done', host: 'web1', status: 0, stderr: '', failure: null, balancers: [{ where: '/run/haproxy.sock', ...answer }] })
    if (!options.includes('--host')) print({ event: 'done', host: 'web2', status: 1, stderr: 'no balancer is known', failure: null, balancers: null })
    print({ event: 'end', hosts: 2, failed: ['web2'] })
    process.exitCode = 1
    break
  }
  default:
    print({ event: 'end', report: { outcome: 'changed', hosts: hosts.map((host) => ({ host, outcome: 'changed' })) } })
}
`

export interface SimulatedConsole {
  readonly running: RunningConsole
  readonly directory: string
  readonly admin: Client
  /** The lines of its log. */
  readonly lines: readonly string[]
  /** Makes an account with a level for the stack, and logs in. */
  account(name: string, level: string): Promise<Client>
}

export interface SimulationOptions {
  /** Replaces the answers of the program. */
  readonly commands?: string
  readonly settings?: ConsoleSettings
}

export async function simulatedConsole(
  t: Pick<Test, 'teardown'>,
  { commands = program, settings }: SimulationOptions = {},
): Promise<SimulatedConsole> {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(`${directory}/program.cjs`, commands)
  const lines: string[] = []
  const started = await startConsole({
    directory: `${directory}/state`,
    stacks: [{ name: 'shop', directory, options: ['--stack', 'shop.yaml'] }],
    program: [...plainNode, `${directory}/program.cjs`],
    host: '127.0.0.1',
    port: 0,
    url: null,
    version: 'test',
    pages: fileURLToPath(new URL('../../../dist/console', import.meta.url)),
    ...(settings && { settings }),
    print: (line) => lines.push(line),
  })
  let isStopped = false
  const stop = async () => {
    if (!isStopped) await started.stop()
    isStopped = true
  }
  const running = { ...started, stop }
  t.teardown(stop)
  const url = () => running.address
  const accept = async (invitation: string | undefined, name: string) => {
    const client = new Client(url)
    const { status, body } = await client.send('POST', '/api/invitations/accept', {
      invitation,
      name,
      password: 'correct horse battery',
    })
    if (status !== 200) throw new Error(JSON.stringify(body))
    return client
  }
  const admin = await accept(/invitation\/(\S+)/.exec(lines.join('\n'))?.[1], 'root')
  return {
    running,
    directory,
    admin,
    lines,
    account: async (name, level) => {
      const { body } = await admin.send('POST', '/api/invitations', { levels: { shop: level } })
      return accept(body.invitation, name)
    },
  }
}

/** Starts a console whose commands are answered by a program of the test, so that it needs no host. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type RunningConsole, startConsole } from '../../../core/console/main.ts'
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
      stack: 'shop', environment: null, layers, apps: [{ name: 'site', repository: process.cwd() + '/site.git' }],
      hosts: hosts.map((name, index) => ({ name, address: '10.0.0.' + index, layers: layers.filter((one) => one.hosts.includes(name)).map((one) => one.name), roles: [], status: 'online' })),
    })
    break
  case 'plan':
    print({ event: 'start', action: 'plan', stack: 'shop', hosts, strategy: 'parallel' })
    print({ event: 'end', report: { outcome: 'planned', hosts: [] } })
    break
  default:
    print({ event: 'end', report: { outcome: 'changed', hosts: hosts.map((host) => ({ host, outcome: 'changed' })) } })
}
`

export interface SimulatedConsole {
  readonly running: RunningConsole
  readonly directory: string
  readonly admin: Client
  /** Makes an account with a level for the stack, and logs in. */
  account(name: string, level: string): Promise<Client>
}

/** @param commands replaces the answers of the program */
export async function simulatedConsole(t: Pick<Test, 'teardown'>, commands = program): Promise<SimulatedConsole> {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(`${directory}/program.cjs`, commands)
  const lines: string[] = []
  const running = await startConsole({
    ...{ directory: `${directory}/state`, stacks: [{ name: 'shop', directory, options: ['--stack', 'shop.yaml'] }] },
    ...{ program: [process.execPath, `${directory}/program.cjs`], host: '127.0.0.1', port: 0, url: null },
    ...{ version: 'test', pages: fileURLToPath(new URL('../../../dist/console', import.meta.url)) },
    print: (line) => lines.push(line),
  })
  t.teardown(() => running.stop())
  const url = () => running.address
  const accept = async (invitation: string | undefined, name: string) => {
    const client = new Client(url)
    const { status, body } = await client.send('POST', '/api/invitations/accept', {
      ...{ invitation, name, password: 'correct horse battery' },
    })
    if (status !== 200) throw new Error(JSON.stringify(body))
    return client
  }
  const admin = await accept(/invitation\/(\S+)/.exec(lines.join('\n'))?.[1], 'root')
  return {
    ...{ running, directory, admin },
    account: async (name, level) => {
      const { body } = await admin.send('POST', '/api/invitations', { levels: { shop: level } })
      return accept(body.invitation, name)
    },
  }
}

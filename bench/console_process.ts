/** Starts a console with a simulated stack as a process of its own. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Client } from '../test/machine/support/console.ts'
import type { Owner } from '../test/support/machine.ts'
import { waitUntil } from '../test/support/wait_until.ts'

export interface BenchConsole {
  readonly url: string
  /** An administrator. */
  readonly admin: Client
  /** Writes a file in the directory of the stack. */
  write(name: string, content: string): void
  remove(name: string): void
  /** Returns the size of the events of a rollout, in bytes. */
  size(deployment: number): number
}

const dist = fileURLToPath(new URL('../dist', import.meta.url))

/** @param commands answers the commands of the console, see `simulatedConsole` */
export async function startBenchConsole(owner: Owner, node: string, commands: string): Promise<BenchConsole> {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  owner.teardown(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(`${directory}/program.cjs`, commands)
  const options = {
    ...{ directory: `${directory}/state`, stacks: [{ name: 'shop', directory, options: [] }] },
    ...{ program: [node, `${directory}/program.cjs`], host: '127.0.0.1', port: 0, url: null },
    ...{ version: 'bench', pages: `${dist}/console` },
  }
  const script = `require(${JSON.stringify(`${dist}/console.cjs`)}).startConsole({ ...${JSON.stringify(options)}, print: console.log })`
  const child = spawn(node, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  owner.teardown(() => child.kill('SIGKILL'))
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  await waitUntil(() => /^console for /m.test(printed) || child.exitCode !== null, 'the console listens', 30)
  const url = /^console for .*: (\S+)$/m.exec(printed)?.[1]
  if (url === undefined) throw new Error(`the console has ended: ${printed}`)
  const admin = new Client(() => url)
  const invitation = /invitation\/(\S+)/.exec(printed)?.[1]
  const { status } = await admin.send('POST', '/api/invitations/accept', {
    ...{ invitation, name: 'ann', password: 'correct horse battery' },
  })
  if (status !== 200) throw new Error(`the first account is refused: ${status}`)
  const events = (deployment: number) => `${directory}/state/deployments/${deployment}/rollout/events.jsonl`
  return {
    ...{ url, admin },
    write: (name, content) => writeFileSync(`${directory}/${name}`, content),
    remove: (name) => rmSync(`${directory}/${name}`, { force: true }),
    size: (deployment) => (existsSync(events(deployment)) ? statSync(events(deployment)).size : 0),
  }
}

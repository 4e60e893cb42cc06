/** Starts the console as its users do, and sends it requests as a browser or a pipeline does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { waitUntil } from '../../support/wait_until.ts'
import type { Operator } from './operator.ts'

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: the tests name the fields that they expect.
  readonly body: any
}

export class ConsoleProcess {
  private output = ''

  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
  }

  /** @param node path of Node 22 */
  static async start(operator: Operator, node: string, port: number): Promise<ConsoleProcess> {
    const args = [operator.program, 'console', '--listen', `127.0.0.1:${port}`]
    const child = spawn('env', ['-u', 'NODE_OPTIONS', node, ...args, '--state-dir', `${operator.directory}/console`], {
      cwd: operator.directory,
      env: { PATH: process.env.PATH, HOME: operator.home, LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = new ConsoleProcess(child, port)
    await waitUntil(() => /^console for /m.test(started.output) || child.exitCode !== null, 'the console listens', 60)
    if (child.exitCode !== null) throw new Error(`the console has ended: ${started.output}`)
    return started
  }

  /** Standard output and error so far. */
  get text(): string {
    return this.output
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The key of the link that the first start prints. */
  get invitation(): string {
    return /#\/invitation\/(\S+)/.exec(this.output)?.[1] ?? ''
  }

  /** Ends the process. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill(signal)
    await ended
  }
}

/** A browser, or a pipeline with a token. */
export class Client {
  cookie = ''

  constructor(
    private readonly url: () => string,
    private readonly token: string | null = null,
  ) {}

  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url()}${path}`, {
      method,
      headers: this.headers(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const cookie = /^__Host-converge=([^;]*)/.exec(response.headers.get('set-cookie') ?? '')?.[1]
    if (cookie !== undefined) this.cookie = cookie
    // The report of a deployment is a page.
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, body: isJson ? await response.json() : { text: await response.text() } }
  }

  headers(more: Readonly<Record<string, string>>): Record<string, string> {
    if (this.token !== null) return { ...more, Authorization: `Bearer ${this.token}` }
    return { ...more, Origin: this.url(), Cookie: `__Host-converge=${this.cookie}` }
  }

  /** Reads the events of a deployment until they end. */
  async events(id: number, from: number): Promise<readonly { readonly id: number; readonly data: string }[]> {
    const headers = this.headers(from === 0 ? {} : { 'Last-Event-ID': String(from) })
    const response = await fetch(`${this.url()}/api/deployments/${id}/events`, { headers })
    const text = await response.text()
    return [...text.matchAll(/^id: (\d+)\ndata: (.*)\n\n/gm)].map(([, at, data = '']) => ({ id: Number(at), data }))
  }
}

/** Requests pages from the clients of the example site, once or continuously. */
import { request } from 'node:http'

/** The status page of a client. */
export interface Page {
  /** The id of the release that the client runs. */
  readonly release: string
  readonly version: string
  readonly client: string
  readonly pid: number
  readonly cacheSize: number
}

interface Answer {
  readonly status: number
  readonly body: string
}

const admin = `Basic ${Buffer.from('admin:admin').toString('base64')}`

/** @returns null if the client does not answer */
function ask(client: number, path: string): Promise<Answer | null> {
  return new Promise((resolve) => {
    const message = request(
      {
        host: '127.0.0.1',
        port: 8080 + client,
        path,
        agent: false,
        timeout: 60_000,
        headers: { authorization: admin },
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
        response.on('error', () => resolve(null))
      },
    )
    message.on('timeout', () => message.destroy())
    message.on('error', () => resolve(null))
    message.end()
  })
}

/** @returns null if the client is down, or is up without its database */
export async function pageOf(client: number): Promise<Page | null> {
  const answer = await ask(client, '/')
  if (answer?.status !== 200) return null
  const reported = new Map(answer.body.split('\n').map((line) => line.split(': ') as [string, string]))
  return {
    release: reported.get('release')?.split('/').at(-1) ?? '',
    version: reported.get('version') ?? '',
    client: reported.get('client') ?? '',
    pid: Number(reported.get('pid')),
    cacheSize: Number(reported.get('zodb-cache-size')),
  }
}

/** Writes a value through a client. */
export async function put(client: number, key: string, value: string, blob = false): Promise<boolean> {
  const query = new URLSearchParams({ key, value, ...(blob ? { blob: '1' } : {}) })
  return (await ask(client, `/@@put?${query}`))?.status === 200
}

/** Reads a value through a client; null if there is no value, or no answer. */
export async function get(client: number, key: string): Promise<string | null> {
  const answer = await ask(client, `/@@get?${new URLSearchParams({ key })}`)
  return answer?.status === 200 ? answer.body.trimEnd() : null
}

/** Requests a page from all clients at the same time, repeatedly. */
export class Watch {
  readonly rounds: (Page | null)[][] = []
  private isStopped = false
  private readonly end: Promise<void>

  constructor(private readonly clients = 2) {
    this.end = this.requestPages()
  }

  private async requestPages(): Promise<void> {
    while (!this.isStopped) {
      this.rounds.push(await Promise.all(Array.from({ length: this.clients }, (_, index) => pageOf(index + 1))))
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }

  async stop(): Promise<this> {
    this.isStopped = true
    await this.end
    return this
  }

  /** The number of rounds in which no client answered. */
  get roundsWithoutAnswer(): number {
    return this.rounds.filter((pages) => pages.every((page) => page === null)).length
  }

  /** The releases that answered. */
  get releases(): string[] {
    return [...new Set(this.rounds.flat().flatMap((page) => page?.release ?? []))].sort()
  }
}

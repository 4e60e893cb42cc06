/** Sends requests to a console, and follows the events of a deployment. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConvergeError } from '../../model/errors.ts'
import { usage } from '../usage.ts'

/** An event of a deployment: `state`, `end`, or an event of its rollout with its byte offset. */
export interface StreamEvent {
  readonly kind: string
  readonly data: string
}

export interface ConsoleClientOptions {
  readonly url: URL
  readonly token: string
  /** Called when the connection to the events is lost, with the reason. */
  readonly onLost?: (reason: string) => void
}

const requestTimeoutMs = 30_000
/** Silence after which the connection counts as lost: the console sends something every 15 seconds. */
const silenceMs = 60_000
/** How long the console may be unreachable while a deployment is followed, for example during an update. */
const unreachableMs = 10 * 60_000
const reconnectPauseMs = 2000
/** Length of the longest answer that is read. */
const maxAnswer = 16 * 1024 * 1024

export class ConsoleClient {
  constructor(private readonly options: ConsoleClientOptions) {}

  get<T>(path: string): Promise<T> {
    return this.request('GET', path)
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.request('POST', path, body)
  }

  /**
   * Yields the events of a deployment from its beginning, each once, also if the connection is lost in between.
   * @throws CONSOLE_UNREACHABLE if the console does not return within ten minutes
   */
  async *events(deployment: number): AsyncGenerator<StreamEvent, void, void> {
    const path = `/api/deployments/${deployment}/events`
    let lastId = ''
    let lostAt: number | null = null
    for (;;) {
      try {
        for await (const { id, ...event } of this.stream(path, lastId)) {
          if (id !== '') lastId = id
          lostAt = null
          yield event
          if (event.kind === 'end') return
        }
        throw unreachable(this.options.url, 'the console closed the connection')
      } catch (thrown) {
        const error = thrown as ConvergeError
        if (error.code !== 'CONSOLE_UNREACHABLE') throw thrown
        if (lostAt === null) this.options.onLost?.(error.message)
        lostAt ??= Date.now()
        if (Date.now() - lostAt > unreachableMs) throw error
      }
      await sleep(reconnectPauseMs)
    }
  }

  private async *stream(path: string, lastId: string): AsyncGenerator<StreamEvent & { id: string }, void, void> {
    const abort = new AbortController()
    let timer = setTimeout(() => abort.abort(), silenceMs)
    try {
      const answer = await this.fetch('GET', path, {
        headers: { Accept: 'text/event-stream', ...(lastId === '' ? {} : { 'Last-Event-ID': lastId }) },
        signal: abort.signal,
      })
      if (!answer.ok) throw await this.refusal(answer)
      const decoder = new TextDecoder()
      let text = ''
      for await (const chunk of bodyOf(answer)) {
        clearTimeout(timer)
        timer = setTimeout(() => abort.abort(), silenceMs)
        text += decoder.decode(chunk, { stream: true })
        if (text.length > maxAnswer) throw notConsole(this.options.url, 'sends an event without an end')
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) yield parseBlock(block)
      }
    } catch (thrown) {
      if (thrown instanceof ConvergeError) throw thrown
      throw unreachable(
        this.options.url,
        abort.signal.aborted ? 'the console was silent for a minute' : reasonOf(thrown),
      )
    } finally {
      clearTimeout(timer)
      abort.abort()
    }
  }

  private async request<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.fetch(method, path, {
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    })
    if (!answer.ok) throw await this.refusal(answer)
    const value = parseJson(await this.textOf(answer))
    if (typeof value !== 'object' || value === null) throw notConsole(this.options.url, 'does not answer with JSON')
    return value as T
  }

  private async fetch(method: string, path: string, init: RequestInit & { readonly headers: object }) {
    const { url, token } = this.options
    try {
      return await fetch(new URL(path, url), {
        ...init,
        method,
        // A redirect to another site would get the token.
        redirect: 'manual',
        headers: { ...init.headers, Authorization: `Bearer ${token}` },
      })
    } catch (error) {
      throw unreachable(url, reasonOf(error))
    }
  }

  private async textOf(answer: Response): Promise<string> {
    const parts: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of bodyOf(answer)) {
        size += chunk.length
        if (size > maxAnswer) throw notConsole(this.options.url, `answers with more than ${maxAnswer} bytes`)
        parts.push(chunk)
      }
    } catch (error) {
      if (error instanceof ConvergeError) throw error
      throw unreachable(this.options.url, reasonOf(error))
    }
    return Buffer.concat(parts).toString()
  }

  /** Returns the error for an answer whose status is not a success. */
  private async refusal(answer: Response): Promise<ConvergeError> {
    const { url } = this.options
    const location = answer.headers.get('location')
    if (answer.status >= 300 && answer.status < 400)
      return notConsole(url, `redirects to ${location === null ? 'nowhere' : new URL(location, url).origin}`)
    const parsed = parseJson(await this.textOf(answer)) as { readonly error?: Readonly<Record<string, unknown>> } | null
    const { code, message, hint } = parsed?.error ?? {}
    // Behind a proxy, the console may be away for a moment.
    if (typeof message !== 'string')
      return [502, 503, 504].includes(answer.status)
        ? unreachable(url, `HTTP status ${answer.status}`)
        : notConsole(url, `answers with HTTP status ${answer.status}`)
    if (answer.status === 401)
      return new ConvergeError(`the console at ${url.origin} does not accept the token`, {
        code: 'CONSOLE_REFUSED',
        hint: 'make a new token in the console: it has ended, or belongs to another console',
      })
    const ownHint = typeof hint === 'string' && hint !== '' ? hint : null
    return new ConvergeError(`the console at ${url.origin} refuses: ${message}`, {
      code: typeof code === 'string' ? code : 'CONSOLE_REFUSED',
      ...(ownHint === null ? {} : { hint: ownHint }),
    })
  }
}

/** @throws USAGE for an address that is none, or one to which the token would travel without encryption */
export function consoleUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw usage('invalid --console: expected the address of a console', '--console https://deploy.example.com')
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'http:' && !isLocal)
    throw usage(
      `--console ${url.origin} would send the token without encryption`,
      `write https://${url.host}, or tunnel to a port of this computer`,
    )
  return url
}

function unreachable({ origin }: URL, reason: string): ConvergeError {
  return new ConvergeError(`cannot reach the console at ${origin}: ${reason}`, {
    code: 'CONSOLE_UNREACHABLE',
    hint: 'check the address, and that the console runs: systemctl status converge-console',
  })
}

function notConsole({ origin }: URL, problem: string): ConvergeError {
  return new ConvergeError(`${origin} ${problem}`, {
    code: 'NOT_A_CONSOLE',
    hint: 'give --console the address that converge console prints, or its public one',
  })
}

/** Returns the cause of an error of fetch, whose own message is general. */
function reasonOf(error: unknown): string {
  const { message, cause, name } = error as Error & { readonly cause?: Error & { readonly code?: string } }
  if (name === 'TimeoutError') return `no answer within ${requestTimeoutMs / 1000} seconds`
  return cause?.message || cause?.code || message
}

function bodyOf(answer: Response): AsyncIterable<Uint8Array> {
  return (answer.body ?? []) as unknown as AsyncIterable<Uint8Array>
}

function parseBlock(block: string): StreamEvent & { id: string } {
  const fields = { id: '', event: 'message', data: '' }
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^(id|event|data): ?(.*)$/s.exec(line) ?? []
    if (name === 'id' || name === 'event' || name === 'data') fields[name] = value
  }
  return { id: fields.id, kind: fields.data === '' ? 'comment' : fields.event, data: fields.data }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // An answer of another program, such as a page of a proxy; the callers report it.
    return null
  }
}

/** Sends HTTP requests over TCP or a unix socket, and downloads into files. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { ConvergeError } from '../model/errors.ts'
import { type Duration, minutes, seconds } from '../model/units.ts'
import { type DownloadOptions, type Endpoint, longestDownload, type RequestOptions, type Response } from './types.ts'

/** Names the other side of a connection, for messages. */
export function endpointName({ socketPath, host = '127.0.0.1', port }: Endpoint): string {
  return socketPath ?? `${host}:${port}`
}

export function timeoutError(address: string, limit: Duration): ConvergeError {
  return new ConvergeError(`${address} did not answer within ${limit}`, { code: 'REQUEST_TIMEOUT' })
}

/** Describes a failed connection, with the system's error code. */
export function connectionError(address: string, error: NodeJS.ErrnoException): ConvergeError {
  if (error instanceof ConvergeError) return error
  return new ConvergeError(`cannot talk to ${address}: ${error.message}`, {
    code: error.code ?? 'REQUEST_FAILED',
    cause: error,
  })
}

/** Bytes of a body that is read whole: an answer of supervisord for a thousand programs has about one million. */
const longestBody = 16 * 1024 * 1024

export function tooLongError(address: string, limit: number): ConvergeError {
  return new ConvergeError(`${address} sent more than ${limit.toLocaleString('en')} bytes`, {
    code: 'ANSWER_TOO_LONG',
    hint: 'check that the address is right, and that its page ends',
  })
}

export async function request(options: RequestOptions): Promise<Response> {
  const http = await import('node:http')
  const limit = options.timeout ?? seconds(10)
  const { enough = Number.POSITIVE_INFINITY } = options
  const address = endpointName({ ...options, port: options.port ?? 80 })
  return new Promise((resolve, reject) => {
    const target = options.socketPath
      ? { socketPath: options.socketPath }
      : { host: options.host ?? '127.0.0.1', port: options.port ?? 80 }
    const sent = http.request(
      {
        ...target,
        // A new connection: the server may close a reused one at this moment.
        agent: false,
        method: options.method ?? 'GET',
        path: options.path ?? '/',
        headers: { Connection: 'close', ...options.headers },
      },
      (answer) => {
        const chunks: Buffer[] = []
        let length = 0
        const complete = () => {
          clearTimeout(timer)
          const headers: Record<string, string> = {}
          for (const [name, value] of Object.entries(answer.headers)) headers[name] = String(value)
          const body = Buffer.concat(chunks).subarray(0, enough).toString('utf8')
          resolve({ status: answer.statusCode ?? 0, headers, body })
        }
        answer.on('data', (chunk: Buffer) => {
          if (length > longestBody || length >= enough) return
          length += chunk.length
          chunks.push(chunk)
          if (length >= enough) {
            complete()
            sent.destroy()
          } else if (length > longestBody) sent.destroy(tooLongError(address, longestBody))
        })
        answer.on('error', failed)
        answer.on('end', complete)
      },
    )
    const failed = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(connectionError(address, error))
    }
    const timer = setTimeout(() => sent.destroy(timeoutError(address, limit)), limit.timer)
    sent.on('error', failed)
    sent.end(options.body)
  })
}

export async function listening(port: number, host = '127.0.0.1'): Promise<boolean> {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    const answer = (open: boolean) => {
      socket.destroy()
      resolve(open)
    }
    socket.setTimeout(2000, () => answer(false))
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}

const runningDownloads = new Set<AbortController>()

/** Ends every running download: at the deadline of a resource, or when the run is killed. */
export function endDownloads(): void {
  for (const download of runningDownloads) download.abort(new Error('it was ended'))
}

/** Streams a URL into an open file, which the caller closes, and checks its size and digest. */
export async function downloadInto(url: string, file: number, options: DownloadOptions): Promise<void> {
  const limit = options.timeout ?? minutes(10)
  const download = new AbortController()
  const timer = setTimeout(() => download.abort(new Error(`it was not complete after ${limit}`)), limit.timer)
  runningDownloads.add(download)
  try {
    const digest = await streamInto(url, file, options, download.signal)
    if (options.sha256 !== undefined && options.sha256.toLowerCase() !== digest)
      throw new ConvergeError(`${withoutCredentials(url)} has the sha256 ${digest}, not ${options.sha256}`, {
        code: 'CHECKSUM_MISMATCH',
        hint: 'fetch the file again from its source; change sha256 only if the source publishes the new digest',
      })
  } finally {
    clearTimeout(timer)
    runningDownloads.delete(download)
  }
}

const withoutCredentials = (url: string) => url.replace(/\/\/[^/@]*@/, '//')

/** @returns the SHA-256 digest of the content */
async function streamInto(url: string, file: number, options: DownloadOptions, signal: AbortSignal): Promise<string> {
  const shown = withoutCredentials(url)
  const response = await openDownload(url, options, signal)
  const hash = createHash('sha256')
  const { limit = longestDownload } = options
  const announced = announcedLength(response)
  let length = 0
  try {
    // The server may send the file as slowly as it likes: refuse it before, not at the limit.
    if (announced !== null && announced > limit)
      throw new ConvergeError(
        `${shown} announces ${announced.toLocaleString('en')} bytes, more than the limit of ${limit.toLocaleString('en')}`,
        { code: 'ANSWER_TOO_LONG', hint: 'check that the address is right, and that its page ends' },
      )
    for await (const chunk of response.body as import('node:stream/web').ReadableStream<Uint8Array>) {
      length += chunk.length
      if (length > limit) throw tooLongError(shown, limit)
      hash.update(chunk)
      // No stream of Node's: on an error it would close the descriptor, which is the caller's.
      writeFileSync(file, chunk)
    }
  } catch (error) {
    await response.body?.cancel().catch(() => undefined)
    // A full disk has its own error; any other one is of the connection.
    if (error instanceof ConvergeError) throw error
    if (error instanceof Error && 'syscall' in error && error.syscall === 'write') throw error
    const received = `${length.toLocaleString('en')}${announced === null ? '' : ` of ${announced.toLocaleString('en')}`} bytes`
    throw new ConvergeError(`download of ${shown} is incomplete (${received}): ${reasonOf(error)}`, {
      code: 'DOWNLOAD_FAILED',
      cause: error,
    })
  }
  return hash.digest('hex')
}

async function openDownload(
  url: string,
  { user, password = '' }: DownloadOptions,
  signal: AbortSignal,
): Promise<globalThis.Response> {
  const shown = withoutCredentials(url)
  // An encoded body has another length and digest than the file.
  const headers: Record<string, string> = { 'Accept-Encoding': 'identity' }
  if (user !== undefined) headers.Authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  let response: globalThis.Response
  try {
    response = await fetch(url, { headers, signal })
  } catch (error) {
    throw new ConvergeError(`cannot fetch ${shown}: ${reasonOf(error)}`, { code: 'DOWNLOAD_FAILED', cause: error })
  }
  if (response.ok && response.body !== null) return response
  await response.body?.cancel()
  throw new ConvergeError(`cannot fetch ${shown}: the server answered ${response.status} ${response.statusText}`, {
    code: 'DOWNLOAD_FAILED',
    hint: response.status === 401 ? 'give user and password for it' : undefined,
  })
}

/** Returns the length that the server announces; null if it does not, or sends an encoded body. */
function announcedLength({ headers }: globalThis.Response): number | null {
  const length = headers.get('content-length')
  return length === null || headers.has('content-encoding') ? null : Number(length)
}

/** fetch itself reports `fetch failed` or `terminated`; the cause has the reason. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code = '', message } =
    error.cause instanceof Error ? (error.cause as NodeJS.ErrnoException) : (error as NodeJS.ErrnoException)
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return 'the server sent nothing for 5 minutes'
  return message
}

/** Sends a text over a new connection, and reads the answer until the other side closes it. */
import { seconds } from '../model/units.ts'
import { connectionError, endpointName, timeoutError, tooLongError } from './request.ts'
import type { ExchangeOptions } from './types.ts'

const longestAnswer = 16 * 1024 * 1024

/** @throws with the system's code (ENOENT, ECONNREFUSED, EACCES, ...), REQUEST_TIMEOUT, or ANSWER_TOO_LONG */
export async function exchange(options: ExchangeOptions): Promise<string> {
  const { connect } = await import('node:net')
  const limit = options.timeout ?? seconds(10)
  const { socketPath, host = '127.0.0.1', port = 0, text, enough = Number.POSITIVE_INFINITY } = options
  const address = endpointName(options)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const socket = connect(socketPath === undefined ? { host, port } : { path: socketPath })
    const timer = setTimeout(() => socket.destroy(timeoutError(address, limit)), limit.timer)
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(connectionError(address, error))
    })
    const complete = () => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks).toString('utf8'))
    }
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= longestAnswer) chunks.push(chunk)
      else socket.destroy(tooLongError(address, longestAnswer))
      if (length < enough || length > longestAnswer) return
      complete()
      socket.destroy()
    })
    socket.once('end', complete)
    if (text !== '') socket.write(text)
  })
}

/**
 * Simulates visitors in a separate process: several connections that send one request after the other and count
 * failures.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Keeps the connection and its cookies, as a browser does; every fourth visitor opens a new connection for each
 * request.
 */
const program = `
const http = require('node:http')
const [port, connections, pauseMs] = process.argv.slice(1, 4).map(Number)
const [host, path] = process.argv.slice(4)
const seen = { requests: 0, failed: [], longestMs: 0 }
let going = true
process.once('SIGTERM', () => { going = false })
function ask(agent, cookies) {
  return new Promise((resolve) => {
    const began = performance.now()
    const over = (problem) => {
      seen.requests++
      if (problem && seen.failed.length < 20) seen.failed.push(problem)
      else if (problem) seen.failed.push('')
      seen.longestMs = Math.max(seen.longestMs, performance.now() - began)
      resolve()
    }
    const sent = http.get({ host, port, path, agent, headers: { cookie: cookies.now } }, (answer) => {
      const [cookie] = answer.headers['set-cookie'] ?? []
      if (cookie) cookies.now = cookie.split(';')[0]
      answer.resume()
      answer.once('end', () => over(answer.statusCode === 200 ? null : 'status ' + answer.statusCode))
      answer.once('error', (error) => over(error.message))
    })
    sent.once('error', (error) => over(error.message))
  })
}
async function visitor(index) {
  const agent = index % 4 === 3 ? false : new http.Agent({ keepAlive: true, maxSockets: 1 })
  const cookies = { now: '' }
  while (going) {
    await ask(agent, cookies)
    if (seen.requests === 20) process.stdout.write('begun\\n')
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  if (agent) agent.destroy()
}
Promise.all(Array.from({ length: connections }, (_, index) => visitor(index))).then(() => {
  process.stdout.write(JSON.stringify(seen))
})
`

export interface Load {
  readonly requests: number
  /** The errors, one entry for each failed request. */
  readonly failed: readonly string[]
  readonly longestMs: number
}

/**
 * Runs the work while visitors request a page.
 * @param options.pauseMs pause of each visitor before the next request; without it they use all CPUs
 * @returns their results
 */
export async function underLoad(
  port: number,
  work: () => Promise<unknown>,
  { connections = 8, address = '127.0.0.1', path = '/', pauseMs = 0 } = {},
): Promise<Load> {
  const child = spawn(process.execPath, ['-e', program, `${port}`, `${connections}`, `${pauseMs}`, address, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  let text = ''
  const begun = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.includes('begun\n')) resolve()
    })
  })
  const over = once(child, 'close')
  try {
    await Promise.race([begun, over])
    await work()
  } finally {
    child.kill('SIGTERM')
    await over
  }
  return JSON.parse(text.replaceAll('begun\n', '')) as Load
}

/** Simulates visitors at full load with wrk(1), which counts requests and failures, and measures latencies. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'

export interface Figures {
  readonly requests: number
  /** Refused or closed connections, answers other than 2xx and 3xx, and missing answers. */
  readonly failed: number
  /** The failures by kind. */
  readonly kinds: Readonly<Record<string, number>>
  /** The latency within which 99 of 100 requests were answered. */
  readonly p99Ms: number
  readonly longestMs: number
  readonly seconds: number
}

const script = `
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\nFIGURES {"requests":%d,"us":%d,"p99":%f,"max":%f,"kinds":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(99) / 1000, latency.max / 1000,
    e.connect, e.read, e.write, e.status, e.timeout))
end
`

/** Numbers the scripts: concurrent visitors need one each, since one may be read while the next is written. */
let scriptCount = 0

export interface Visitors {
  /** Stops the visitors, and returns their figures. */
  end(): Promise<Figures>
}

/**
 * @param directory a directory for the script
 * @param pauseMs pause of each visitor before the next request; without it they use all CPUs
 */
export function visitors(
  url: string,
  directory: string,
  { connections = 12, headers = {}, pauseMs = 0 } = {},
): Visitors {
  const file = `${directory}/figures-${++scriptCount}.lua`
  writeFileSync(file, pauseMs === 0 ? script : `${script}function delay() return ${pauseMs} end\n`)
  const sent = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const how = ['--threads', '1', '--connections', `${connections}`, '--duration', '30m', '--timeout', '60s']
  const child = spawn('wrk', [...how, ...sent, '--script', file, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { end: () => figuresOf(child) }
}

function figuresOf(child: ChildProcess): Promise<Figures> {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => {
      const [, json] = /^FIGURES (.*)$/m.exec(text) ?? []
      if (json === undefined) return reject(new Error(`wrk printed no figures: ${text}`))
      const { requests, us, p99, max, kinds } = JSON.parse(json)
      const failed = Object.values<number>(kinds).reduce((sum, one) => sum + one, 0)
      resolve({ requests, failed, kinds, p99Ms: p99, longestMs: max, seconds: us / 1e6 })
    })
    child.kill('SIGINT')
  })
}

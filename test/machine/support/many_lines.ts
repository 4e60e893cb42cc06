/** Simulates a rollout of 200 hosts that writes 100,000 lines. */

export const lineCount = 100_000
export const hostCount = 200

/**
 * A program for `simulatedConsole`. Its rollout writes half of the lines, waits for a file `continue` in the directory of the
 * stack, and writes the rest: at most as many lines in a tenth of a second as the file contains, or all at once if it is empty.
 */
export const manyLines = `const fs = require('node:fs')
const [, , , command] = process.argv
const hosts = Array.from({ length: ${hostCount} }, (_, index) => 'web' + String(index + 1).padStart(3, '0'))
const print = (events) => fs.writeSync(1, events.map((event) => JSON.stringify(event) + '\\n').join(''))
const line = (_, index) => ({ event: 'host', host: hosts[index % hosts.length], phase: 'build', step: 'buildout shop', detail: 'line ' + index })
const lines = Array.from({ length: ${lineCount} }, line)
const end = (outcome) => print([{ event: 'end', report: { outcome, hosts: hosts.map((host) => ({ host, outcome })) } }])
print([{ event: 'start', action: command, stack: 'shop', hosts, strategy: 'parallel' }])
if (command === 'plan') end('planned')
else {
  print([{ event: 'deployment', id: '000001' }])
  const half = lines.length / 2
  print(lines.slice(0, half))
  const rest = (at, count) => {
    print(lines.slice(at, at + count))
    if (at + count < lines.length) setTimeout(rest, 100, at + count, count)
    else end('changed')
  }
  const wait = () => {
    if (fs.existsSync('continue')) rest(half, Number(fs.readFileSync('continue', 'utf8')) || half)
    else setTimeout(wait, 20)
  }
  wait()
}
`

/** Tests the script that runs a command on a host with a line of input. */
import { spawn } from 'node:child_process'
import t from 'tap'
import { beginMarker, commandScript } from '../../../../core/fleet/operate/command_script.ts'

/** Runs the script with the local shell, and keeps its input open, as a connection does. */
function run(input: string | null, ...words: string[]): Promise<string> {
  const child = spawn('sh', ['-c', commandScript, 'sh', '', input === null ? '' : 'input', ...words], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  if (input !== null) child.stdin.write(`${input}\n`)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return new Promise((resolve) => {
    child.once('close', () => {
      child.stdin.destroy()
      resolve(output.slice(output.indexOf(beginMarker) + beginMarker.length + 1))
    })
  })
}

t.test('passes one line to the command, and keeps it out of the process list', async (t) => {
  for (const input of ['{"a":"$HOME `id` \\"\\\\ "}', ' two  words ', 'x'.repeat(100_000)]) {
    t.equal(await run(input, 'cat'), `${input}\n`)
    t.equal(await run(input, 'sh', '-c', 'tr "\\0" " " </proc/$PPID/cmdline | grep -cF "$(cat)"'), '0\n')
  }
})

t.test('without a line, the input of the command is empty', async (t) => {
  t.equal(await run(null, 'cat'), '')
})

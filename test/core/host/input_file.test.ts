/**
 * Tests files that a user names as input: they are read completely, or rejected at once with a message that says what they are.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inputFileLimit, readInputFile } from '../../../core/host/input_file.ts'
import { hostileKinds } from '../../support/hostile.ts'
import { scratch } from '../../support/machine.ts'

const messages: Readonly<Record<string, RegExp>> = {
  FIFO: /it is a named pipe, not a regular file$/,
  'link to /dev/zero': /it is a character device, not a regular file$/,
  'link to itself': /ELOOP/,
  'sparse file of 5 GB': /it has 5,000,000,000 bytes, more than the limit of 64 MiB$/,
  directory: /it is a directory, not a regular file$/,
  socket: /it is a socket, not a regular file$/,
}

t.test('refuses pipes, devices and directories', async (t) => {
  for (const { name, put } of hostileKinds) {
    const message = messages[name]
    if (message === undefined) continue
    const path = join(scratch(t), 'bad')
    put(path, '')
    t.throws(() => readInputFile(path), { message }, name)
  }
})

t.test('reads a regular file, also through a link, an empty one, and /dev/null', async (t) => {
  const directory = scratch(t)
  fs.writeFileSync(join(directory, 'one'), 'text')
  fs.symlinkSync('one', join(directory, 'link'))
  fs.writeFileSync(join(directory, 'empty'), '')
  t.equal(readInputFile(join(directory, 'link')).toString(), 'text')
  t.equal(readInputFile(join(directory, 'empty')).length, 0)
  t.equal(readInputFile('/dev/null').length, 0)
})

t.test('refuses a file that is larger than its reported size', async (t) => {
  t.equal(fs.statSync('/proc/self/maps').size, 0)
  t.throws(() => readInputFile('/proc/self/maps', 10), {
    code: 'FILE_TOO_LARGE',
    message: /it has grown beyond the limit of 10 bytes$/,
  })
})

t.test('reads the pipe of the calling shell', async (t) => {
  const script = `import { readInputFile } from ${JSON.stringify(new URL('../../../core/host/input_file.ts', import.meta.url).href)}
try { process.stdout.write(readInputFile(process.argv[1]).toString()) } catch (error) { console.log(error.code) }`
  const run = (command: string) =>
    spawnSync('bash', ['-c', command], {
      env: { ...process.env, NODE: process.execPath, SCRIPT: script },
      encoding: 'utf8',
      timeout: 20_000,
    }).stdout.trim()
  const node = '"$NODE" --import=tsx --input-type=module -e "$SCRIPT"'
  t.equal(run(`${node} <(sleep 0.3; echo late)`), 'late')
  t.equal(run(`echo piped | ${node} /dev/stdin`), 'piped')
  t.equal(run(`${node} /dev/stdin </dev/zero`), 'FILE_TOO_LARGE')
  t.equal(inputFileLimit, 67_108_864)
})

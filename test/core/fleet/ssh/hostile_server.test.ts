/** Tests arbitrary data from a server before the login: the connection ends with one short error, in time. */
import { createServer, type Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { connector } from '../../../../core/fleet/ssh/connect.ts'
import type { SshTarget } from '../../../../core/fleet/ssh/target.ts'
import { wireString } from '../../../../core/fleet/ssh/wire.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { freePort } from '../../../support/machine.ts'

t.setTimeout(120_000)

const target = (port: number): SshTarget => ({
  name: 'web1',
  configuredAs: '127.0.0.1',
  address: '127.0.0.1',
  port,
  user: 'ann',
  knownAs: ['127.0.0.1'],
  certifiedAs: '127.0.0.1',
  identities: [],
  identitiesOnly: false,
  agent: null,
  jump: null,
  knownHosts: { user: [], system: [], hash: false },
  connectTimeout: null,
  algorithms: {},
})

async function refusal(answer: (socket: Socket) => void): Promise<ConvergeError> {
  const port = await freePort()
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume()
    answer(socket)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const open = connector({ hostKeys: 'strict', onNewHost: () => undefined, prompt: null, connectTimeout: 0.5 })
  try {
    await open.connect(target(port))
  } catch (error) {
    if (error instanceof ConvergeError) return error
    throw error
  } finally {
    await open.close()
    server.close()
  }
  throw new Error('there is a connection')
}

const greeting = 'SSH-2.0-OpenSSH_9.2\r\n'

/** Encodes a packet; see RFC 4253, section 6. */
function packet(payload: Buffer): Buffer {
  const missing = 8 - ((payload.length + 5) % 8)
  const padding = missing < 4 ? missing + 8 : missing
  const header = Buffer.alloc(5, padding)
  header.writeUInt32BE(payload.length + 1 + padding)
  return Buffer.concat([header, payload, Buffer.alloc(padding)])
}

const suites = ['curve25519-sha256', 'ssh-ed25519', 'aes128-ctr', 'aes128-ctr', 'hmac-sha2-256', 'hmac-sha2-256']
const offer = (...lists: readonly string[]) =>
  packet(Buffer.concat([Buffer.alloc(17, 20), ...lists.map((list) => wireString(list)), Buffer.alloc(5)]))

function endless(socket: Socket, text: string | Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(text));
  }
  socket.on('drain', more)
  more()
}

const disconnect = Buffer.concat([
  Buffer.from([1, 0, 0, 0, 2]),
  wireString('\x1b[2J\x1b]0;owned\x07\nweb2: done'),
  wireString(''),
])

const kinds: Readonly<Record<string, (socket: Socket) => void>> = {
  silence: () => undefined,
  'an early end': (socket) => socket.end(),
  'an old protocol': (socket) => socket.write('SSH-1.5-x\r\n'),
  'a web server': (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'lines without an end': (socket) => endless(socket, 'hello\r\n'.repeat(5000)),
  'a line without an end': (socket) => endless(socket, Buffer.alloc(65_536, 'x')),
  'a byte now and then': (socket) => {
    const timer = setInterval(() => socket.write('x'), 50)
    socket.once('close', () => clearInterval(timer))
  },
  'zeros after the greeting': (socket) => endless(socket, Buffer.concat([Buffer.from(greeting), Buffer.alloc(65_536)])),
  'a packet of 4 GB': (socket) => endless(socket, Buffer.concat([Buffer.from(greeting), Buffer.alloc(65_536, 255)])),
  'the end after the greeting': (socket) => socket.end(greeting),
  'thousands of algorithms': (socket) => {
    const names = Array.from({ length: 3000 }, (_, at) => `kex-${at}`).join(',')
    socket.write(Buffer.concat([Buffer.from(greeting), offer(names, ...suites.slice(1), 'none', 'none', '', '')]))
  },
  'an algorithm with a name of 30 kB': (socket) => {
    const name = 'x'.repeat(30_000)
    socket.write(Buffer.concat([Buffer.from(greeting), offer(name, ...suites.slice(1), 'none', 'none', '', '')]))
  },
  'silence after the offer': (socket) =>
    socket.write(Buffer.concat([Buffer.from(greeting), offer(...suites, 'none', 'none', '', '')])),
  'a farewell with escapes': (socket) => socket.end(Buffer.concat([Buffer.from(greeting), packet(disconnect)])),
  'packets without an end': (socket) => {
    socket.write(greeting)
    endless(socket, Buffer.concat(Array.from({ length: 500 }, () => packet(Buffer.from([2, 0, 0, 0, 1, 65])))))
  },
}

function check(
  t: { readonly fail: (message: string) => unknown },
  { code, message, hint }: ConvergeError,
  name: string,
) {
  if (!/^(CONNECT_FAILED|NO_COMMON_ALGORITHM|AUTH_FAILED)$/.test(code)) t.fail(`${name}: ${code}: ${message}`)
  if (message.length > 4000) t.fail(`${name}: ${message.length} characters: ${message.slice(0, 200)}`)
  if (!hint) t.fail(`${name}: no hint: ${message}`)
  if ((hint?.length ?? 0) > 4000) t.fail(`${name}: a hint of ${hint?.length} characters`)
}

for (const [name, answer] of Object.entries(kinds))
  t.test(name, async (t) => {
    const error = await refusal(answer)
    check(t, error, name)
    t.pass(error.message.slice(0, 200))
  })

t.test('names a port that is not an SSH server', async (t) => {
  for (const name of ['an old protocol', 'lines without an end', 'a line without an end'])
    t.match(await refusal(kinds[name] ?? (() => undefined)), {
      message: /^web1 \(127\.0\.0\.1:\d+\): cannot connect: the port does not answer with SSH 2: /,
      hint: /^check the port /,
    })
})

t.test('any bytes after the greeting give one error', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one)),
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((one) => packet(Buffer.from(one))),
    fc
      .array(fc.string({ unit: 'binary', maxLength: 40 }), { minLength: 10, maxLength: 10 })
      .map((one) => offer(...one)),
  )
  const streams = fc.sample(bytes, Number(process.env.FUZZ_RUNS ?? 150))
  for (let at = 0; at < streams.length; at += 50)
    await Promise.all(
      streams.slice(at, at + 50).map(async (sent) => {
        const error = await refusal((socket) => socket.end(Buffer.concat([Buffer.from(greeting), sent])))
        check(t, error, sent.toString('base64'))
      }),
    )
  t.pass(`${streams.length} streams`)
})

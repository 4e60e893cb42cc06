/** Tests how much of an unlimited external input is kept. */
import { createServer as httpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { LineSplitter } from '../../../core/host/line_splitter.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { minutes } from '../../../core/model/units.ts'
import { scratch } from '../../support/machine.ts'

const host = new LocalHost('/nowhere')
const mark = / … ([\d,]+) characters left out … /

function linesOf(chunks: readonly string[]): { readonly lines: string[]; readonly most: number } {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line))
  let most = 0
  for (const chunk of chunks) {
    splitter.push(chunk)
    most = Math.max(most, splitter.kept)
  }
  splitter.close()
  return { lines, most }
}

t.test('splits lines alike, however the text arrives', async () => {
  const text = fc
    .array(fc.constantFrom('a', 'bc', '\n', '\r\n', '\r', ' ', 'é'), { maxLength: 60 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat(60), { maxLength: 8 }), (whole, cuts) => {
      const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length]
      const chunks = at.slice(1).map((end, index) => whole.slice(at[index], end))
      const expected = whole.split(/\r\n|\n|\r/)
      if (expected.at(-1) === '') expected.pop()
      return JSON.stringify(linesOf(chunks).lines) === JSON.stringify(expected)
    }),
  )
})

t.test('keeps both ends of an endless line', async (t) => {
  const chunk = 'x'.repeat(64 * 1024)
  const { lines, most } = linesOf(['start ', ...Array.from({ length: 4800 }, () => chunk), ' end\n', 'next'])
  t.ok(most < 512 * 1024, `${most} characters kept of 300 million`)
  t.equal(lines.length, 2)
  t.ok((lines[0] ?? '').length < 200_000)
  t.match(lines[0], /^start .* end$/)
  const left = Number(mark.exec(lines[0] ?? '')?.[1]?.replaceAll(',', ''))
  t.equal((lines[0] ?? '').replace(mark, '').length + left, 4800 * chunk.length + 10, 'nothing is left out uncounted')
})

t.test('limits the memory for a command that prints one long line', async (t) => {
  const command = 'printf start; head -c 100000000 /dev/zero | tr "\\0" x; echo; echo last; exit 3'
  const shown: string[] = []
  const run = host.run(['sh', '-c', command], { onLine: (line) => shown.push(line) })
  const error = await run.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ConvergeError)) return t.fail('it should fail')
  t.match(error.output, /^startx.*characters left out.*\nlast$/s)
  t.ok((error.output ?? '').length < 200_000)
  t.equal(shown.length, 2)
  const { stdout } = await host.query(['sh', '-c', command], { accept: 'any' })
  t.ok(stdout.length <= 33 * 1024 * 1024, `${stdout.length} characters of the result`)
})

/**
 * Starts a server that writes until the client closes.
 * @returns its port, and the number of bytes sent
 */
async function endless(t: Test, first: string): Promise<{ readonly port: number; readonly sent: () => number }> {
  let sent = 0
  const block = 'x'.repeat(64 * 1024)
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined)
    socket.write(first)
    const more = () => {
      while (!socket.destroyed) {
        sent += block.length
        if (!socket.write(block)) return
      }
    }
    socket.on('drain', more)
    more()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, sent: () => sent }
}

const headers = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n'
/** The number of bytes that the buffers between both ends can hold. */
const buffers = 16 * 1024 * 1024

t.test('refuses an endless page', async (t) => {
  const { port, sent } = await endless(t, headers)
  await t.rejects(host.request({ port, timeout: minutes(5) }), {
    code: 'ANSWER_TOO_LONG',
    message: /more than 16,777,216 bytes/,
  })
  t.ok(sent() < 16 * 1024 * 1024 + buffers, `${sent()} bytes sent`)
})

t.test('reads a part of an endless page if a part is enough', async (t) => {
  const { port, sent } = await endless(t, headers)
  const { status, body } = await host.request({ port, enough: 1000, timeout: minutes(5) })
  t.strictSame([status, body.length], [200, 1000])
  t.ok(sent() < buffers, `${sent()} bytes sent`)
})

t.test('refuses endless headers', async (t) => {
  const { port, sent } = await endless(t, 'HTTP/1.1 200 OK\r\nX-Long: ')
  await t.rejects(host.request({ port, timeout: minutes(5) }), {
    code: 'HPE_HEADER_OVERFLOW',
    message: /Header overflow/i,
  })
  t.ok(sent() < buffers, `${sent()} bytes sent`)
})

t.test('refuses an endless answer over a socket', async (t) => {
  const { port, sent } = await endless(t, '')
  await t.rejects(host.querySocket({ port, text: 'show stat\n', timeout: minutes(5) }), { code: 'ANSWER_TOO_LONG' })
  t.ok(sent() < 16 * 1024 * 1024 + buffers, `${sent()} bytes sent`)
})

async function site(t: Test, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = httpServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('ends a download at its limit, and at endless redirects', async (t) => {
  const directory = scratch(t)
  const { port } = await endless(t, headers)
  const path = `${directory}/app.war`
  await t.rejects(host.download(`http://127.0.0.1:${port}/`, path, { limit: 1_000_000 }), {
    code: 'ANSWER_TOO_LONG',
    message: /more than 1,000,000 bytes/,
  })
  t.equal(host.lstat(path), null)
  let requestCount = 0
  const url = await site(t, (_, response) => {
    response.writeHead(302, { Location: `/${++requestCount}` }).end()
  })
  await t.rejects(host.download(url, path), { code: 'DOWNLOAD_FAILED', message: /redirect count exceeded/ })
  t.ok(requestCount <= 21, `${requestCount} redirects followed`)
  t.strictSame(host.list(directory), [])
})

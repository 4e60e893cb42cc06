/** Tests downloads from faulty servers: each ends within its limits with one error, and leaves no file. */
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { endDownloads } from '../../../core/host/request.ts'
import type { DownloadOptions } from '../../../core/host/types.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { minutes, seconds } from '../../../core/model/units.ts'
import { archive } from '../../../resources/files/archive.ts'
import { remote_file } from '../../../resources/files/remote_file.ts'
import { failureOf, planOf } from '../../support/contract.ts'
import { scratch } from '../../support/machine.ts'

t.setTimeout(240_000)

const headOfAnswer = (length?: number) =>
  `HTTP/1.1 200 OK\r\n${length === undefined ? '' : `Content-Length: ${length}\r\n`}\r\n`

/** Sends a letter in short intervals, which no limit for silence ends. */
function sendSlowly(socket: Socket): void {
  const timer = setInterval(() => socket.write('x'), 20)
  socket.once('close', () => clearInterval(timer))
}

interface Fault {
  readonly answer: (socket: Socket) => void
  readonly message: RegExp
  /** Whether the download continues until something else ends it, such as the deadline of its resource. */
  readonly isEndless?: boolean
}

const endedMessage = /\((0|[1-9]) of 100 bytes\): it was ended$/
const faults: Readonly<Record<string, Fault>> = {
  'silence before the headers': {
    answer: () => undefined,
    message: /^cannot fetch \S+: it was ended$/,
    isEndless: true,
  },
  'silence after the headers': {
    answer: (socket) => void socket.write(headOfAnswer(100)),
    message: endedMessage,
    isEndless: true,
  },
  'silence in the middle': {
    answer: (socket) => void socket.write(`${headOfAnswer(100)}0123`),
    message: endedMessage,
    isEndless: true,
  },
  'a byte now and then': {
    answer: (socket) => {
      socket.write(headOfAnswer(1_000_000))
      sendSlowly(socket)
    },
    message: /\(\d+ of 1,000,000 bytes\): it was ended$/,
    isEndless: true,
  },
  'no end': {
    answer: (socket) => {
      socket.write(headOfAnswer())
      sendSlowly(socket)
    },
    message: /\(\d+ bytes\): it was ended$/,
    isEndless: true,
  },
  'a reset connection': {
    answer: (socket) => socket.write(`${headOfAnswer(100)}0123`, () => setTimeout(() => socket.resetAndDestroy(), 50)),
    message: /\(4 of 100 bytes\): .*(ECONNRESET|other side closed)/,
  },
  'a shorter body than announced': {
    answer: (socket) => socket.end(`${headOfAnswer(100)}0123`),
    message: /\(4 of 100 bytes\): other side closed$/,
  },
  'an announced length beyond the limit': {
    answer: (socket) => void socket.write(headOfAnswer(2 ** 40)),
    message: /announces 1,099,511,627,776 bytes, more than the limit of 68,719,476,736$/,
  },
  'a page of an error': {
    answer: (socket) => socket.end('HTTP/1.1 503 Full\r\nContent-Length: 2\r\n\r\nno'),
    message: /^cannot fetch \S+: the server answered 503 Full$/,
  },
}

async function serve(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`
}

for (const [name, fault] of Object.entries(faults))
  t.test(`reports ${name}`, async (t) => {
    const url = await serve(t, fault.answer)
    const directory = scratch(t)
    const host = new LocalHost(`${directory}/state`)
    // The deadline of the resource ends what would otherwise continue.
    const message = fault.isEndless ? /not (done within|complete after) 1 s$/ : fault.message
    const plans = {
      remote_file: planOf((r) => remote_file(r, { path: `${directory}/file`, url, timeout: seconds(1) })),
      archive: planOf((r) => archive(r, { into: `${directory}/into`, url, timeout: seconds(1) })),
    }
    for (const [type, plan] of Object.entries(plans)) {
      const report = await converge(plan, host, { id: 'test', mode: 'run', onTimeout: endDownloads })
      t.match(failureOf(report), { message }, type)
      t.strictSame(host.list(directory), [], `${type} leaves no file`)
    }
    await host.close()
  })

t.test('the error of a download that was ended reports its progress', async (t) => {
  for (const [name, { answer, message }] of Object.entries(faults).filter(([, { isEndless }]) => isEndless)) {
    const url = await serve(t, answer)
    const directory = scratch(t)
    const host = new LocalHost(`${directory}/state`)
    const download = host.download(url, `${directory}/file`)
    const timer = setTimeout(endDownloads, 500)
    await t.rejects(download, { code: 'DOWNLOAD_FAILED', message }, name)
    clearTimeout(timer)
    const limited = host.download(url, `${directory}/file`, { timeout: seconds(1) })
    await t.rejects(limited, { code: 'DOWNLOAD_FAILED', message: /: it was not complete after 1 s$/ }, name)
    t.strictSame(host.list(directory), [])
  }
})

t.test('passes the timeout of a resource to its download', async (t) => {
  const timeouts: (string | undefined)[] = []
  class PatientHost extends VirtualHost {
    override async download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
      timeouts.push(String(options.timeout))
      await super.download(url, path, options)
    }
  }
  const url = 'https://example.org/file'
  const host = new PatientHost({ downloads: { [url]: 'x' } }).given('/srv/other', null)
  const plan = planOf((r) => {
    remote_file(r, { path: '/srv/file', url, timeout: minutes(40) })
    remote_file(r, { path: '/srv/short', url })
    archive(r, { into: '/srv/into', url, timeout: minutes(50) })
  })
  await converge(plan, host, { id: 'test', mode: 'run' })
  t.strictSame(timeouts, [String(minutes(40)), 'undefined', String(minutes(50))])
})

t.test('a file ends at its announced length', async (t) => {
  const url = await serve(t, (socket) => socket.end(`${headOfAnswer(4)}0123 and more`))
  const directory = scratch(t)
  const host = new LocalHost(`${directory}/state`)
  await host.download(url, `${directory}/file`)
  t.equal(host.readText(`${directory}/file`), '0123')
})

t.test('no message of a server shows the password of the URL', async (t) => {
  const url = await serve(t, (socket) => socket.end('HTTP/1.1 403 no pl4nted-word\r\nContent-Length: 0\r\n\r\n'))
  const directory = scratch(t)
  const host = new LocalHost(`${directory}/state`)
  const withLogin = url.replace('http://', 'http://ann:pl4nted-word@')
  for (const plan of [
    planOf((r) => remote_file(r, { path: `${directory}/file`, url: withLogin })),
    planOf((r) => archive(r, { into: `${directory}/into`, url: withLogin })),
  ]) {
    const report = await converge(plan, host, { id: 'test', mode: 'run' })
    t.match(failureOf(report), { message: /the server answered 403 no \*{8}/ })
    t.notMatch(JSON.stringify(report), 'pl4nted-word')
  }
})

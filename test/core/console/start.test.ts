/** Tests that a console which cannot start leaves its directory free for the next one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { startConsole } from '../../../core/console/main.ts'
import { plainNode, runsOnNode22 } from '../../support/node22.ts'

if (await runsOnNode22(t, import.meta.url)) {
  t.test('a console starts in the same process after one that could not listen', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/console-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    t.teardown(() => other.close())
    const start = (port: number) =>
      startConsole({
        directory: `${directory}/state`,
        stacks: [{ name: 'shop', directory, options: [] }],
        program: [...plainNode, '-e', ''],
        version: 'test',
        host: '127.0.0.1',
        port,
        url: null,
        pages: directory,
        print: () => undefined,
      })
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await t.rejects(start(port), { code: 'CANNOT_LISTEN' })
    const running = await start(0)
    t.match(running.address, /^http:\/\/127\.0\.0\.1:\d+$/)
    await running.stop()
  })

  t.test('a console that fails after it listens leaves no server', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/console-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const free = createServer()
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve))
    const { port } = free.address() as AddressInfo
    await new Promise((resolve) => free.close(resolve))
    const start = (print: (line: string) => void) =>
      startConsole({
        directory: `${directory}/state`,
        version: 'test',
        host: '127.0.0.1',
        port,
        url: null,
        pages: directory,
        stacks: [{ name: 'shop', directory, options: [] }],
        program: [...plainNode, '-e', ''],
        print,
      })
    const failing = start(() => {
      throw new Error('standard output is closed')
    })
    await t.rejects(failing, { message: 'standard output is closed' })
    await (await start(() => undefined)).stop()
  })
}

/** Tests the environment that commands get, and to which servers a download sends its login. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { securePath } from '../../../core/model/secure_path.ts'
import { needs, scratch } from '../../support/machine.ts'

const host = new LocalHost('/nowhere')

t.test('commands get variables for network access only, and what they are given', async (t) => {
  const given: Readonly<Record<string, string>> = {
    AWS_SECRET_ACCESS_KEY: 'x',
    CONVERGE_ATTR_A: 'x',
    LD_PRELOAD: '/nowhere.so',
    PYTHONPATH: '/nowhere',
    GIT_SSH_COMMAND: 'false',
    https_proxy: 'http://proxy.example:3128',
    NO_PROXY: 'example.com',
    SSL_CERT_FILE: '/etc/ssl/own.pem',
    SSL_CERT_DIR: '/etc/ssl/own',
    REQUESTS_CA_BUNDLE: '/etc/ssl/own.pem',
    GIT_SSL_CAINFO: '/etc/ssl/own.pem',
    PIP_INDEX_URL: 'https://pypi.example/simple',
  }
  const before = { ...process.env }
  t.teardown(() => {
    process.env = before
  })
  const passed = Object.keys(before).filter((name) => /_proxy$|^PIP_/i.test(name))
  process.env = { ...before, ...given }
  const { stdout } = await host.run(['env'], { environment: { OWN: '1' } })
  // tap adds these to every child process.
  const isOfTap = (name: string) => name === 'NODE_OPTIONS' || name.startsWith('_TAPJS_')
  const all = stdout.split('\n').flatMap((line) => /^([A-Za-z_]\w*)=/.exec(line)?.[1] ?? [])
  const names = all.filter((name) => !isOfTap(name))
  const expected = Object.keys(given).filter((name) => !/^(AWS|CONVERGE|LD|PYTHON|GIT_SSH)_?/.test(name))
  const always = ['HOME', 'LANG', 'LOGNAME', 'OWN', 'PATH', 'USER']
  t.strictSame(names.sort(), [...new Set([...always, ...expected, ...passed])].sort())
})

t.test('a command of another account gets the PATH of the system, not that of the caller', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const before = process.env.PATH
  t.teardown(() => {
    process.env.PATH = before
  })
  process.env.PATH = `/nowhere/bin:${before}`
  const pathOf = async (user?: string) => (await host.run(['sh', '-c', 'echo "$PATH"'], { user })).stdout.trim()
  t.equal(await pathOf('nobody'), securePath)
  t.equal(await pathOf(), `/nowhere/bin:${before}`, 'a command of the own account')
})

t.test('a download sends its login to the named server, and to none that it redirects to', async (t) => {
  const userAgents: string[] = []
  const other = await site(t, 'other', userAgents)
  const named = await site(t, 'named', userAgents, `${other}/app.war`)
  const path = `${scratch(t)}/app.war`
  await host.download(`${named}/start`, path, { user: 'ci', password: 'pass' })
  const login = `Basic ${Buffer.from('ci:pass').toString('base64')}`
  t.strictSame(userAgents, [`named /start ${login}`, `named /next ${login}`, 'other /app.war none'])
  t.equal(host.readText(path), 'content')
})

/** Starts a server that notes its requests, and redirects `/start` to `/next`, and that to another server. */
async function site(t: Test, name: string, userAgents: string[], next?: string): Promise<string> {
  const server = createServer(({ url, headers }, response) => {
    userAgents.push(`${name} ${url} ${headers.authorization ?? 'none'}`)
    if (next === undefined) return response.end('content')
    return response.writeHead(302, { Location: url === '/start' ? '/next' : next }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

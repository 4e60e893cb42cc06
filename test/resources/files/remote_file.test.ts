/** Tests remote_file: fetching files from servers, and copying files of the host. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { remote_file } from '../../../resources/files/remote_file.ts'
import { sha256OfFile } from '../../../resources/files/source_url.ts'
import { archivePrograms, programs } from '../../support/commands.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { scratch } from '../../support/machine.ts'

const commands = programs(archivePrograms)
const url = 'https://user:hidden@builds.example.com/app.war'
const path = '/srv/app.war'
const sha256 = createHash('sha256').update('new').digest('hex')
const host = { commands, downloads: { [url.replace('user:hidden@', '')]: 'new' } }
const local = (content: string) => (host: VirtualHost) => void host.given('/var/tmp/app.war', content)

contract(t, remote_file, [
  {
    name: 'fetches a missing file',
    props: { path, url, sha256: sha256.toUpperCase(), mode: '0640' },
    host,
    changes: ['replace /mode = "0640"', `replace /content = "${sha256}"`, 'replace /kind = "file"'],
    then: (t, host) => t.match([host.readText(path), host.lstat(path)?.mode], ['new', '0640']),
  },
  {
    name: 'fetches a different file',
    props: { path, url, sha256 },
    given: (host) => host.given(path, 'old'),
    host,
    changes: [`replace /content = "${sha256}"`],
  },
  {
    name: 'does nothing if file and mode are correct',
    props: { path, url: 'https://gone.example/', sha256 },
    given: (host) => host.given(path, 'new'),
    host,
    changes: [],
  },
  { name: 'fetches a file without a digest once for each URL', props: { path, url }, host },
  {
    name: 'copies another file of the host',
    props: { path, url: '/var/tmp/app.war' },
    given: local('mine'),
    host,
    then: (t, host) => t.equal(host.readText(path), 'mine'),
  },
  {
    name: 'corrects the mode of a correct file',
    props: { path, url: 'file:///var/tmp/app.war', mode: '0600' },
    given: (host) => local('mine')(host.given(path, 'mine', '0644')),
    host,
    changes: ['replace /mode = "0600"'],
  },
  {
    name: 'fails if the file has another digest',
    props: { path, url: '/var/tmp/app.war', sha256 },
    given: local('cut short'),
    host,
    fails: /has the sha256 [0-9a-f]{64}, not .*fetch the file again/,
  },
  {
    name: 'fails if the source does not exist',
    props: { path, url: '/var/tmp/app.war' },
    host,
    fails: /the file \/var\/tmp\/app\.war does not exist/,
  },
  {
    name: 'fails if a directory has its path',
    props: { path, url, sha256 },
    given: (host) => host.given(path, null),
    host,
    fails: /is a directory.*mv/,
  },
  {
    name: 'fails if its directory does not exist',
    props: { path: '/none/app.war', url, sha256 },
    host,
    fails: /directory \/none does not exist/,
  },
])

t.test('copies again when the source changes', async (t) => {
  const host = new VirtualHost({ commands })
  const plan = planOf((r) => void remote_file(r, { path, url: '/var/tmp/app.war' }))
  for (const content of ['one', 'two']) {
    local(content)(host)
    t.equal(
      patchOf(await run(plan, host)).some((line) => line.includes('/content')),
      true,
    )
    t.equal(host.readText(path), content)
  }
})

t.test('hides the login in a URL', async (t) => {
  const reported: string[] = []
  const plan = planOf((r) => void remote_file(r, { path, url, sha256, password: 's3cret' }))
  const { converge } = await import('../../../core/converge/engine.ts')
  const handlers = [{ progress: (_: string, line: string) => void reported.push(line) }]
  const report = await converge(plan, new VirtualHost(host), { id: 't', mode: 'run', handlers })
  t.strictSame(failureOf(report), undefined)
  t.strictSame(reported, ['fetching https://builds.example.com/app.war'])
})

t.test('replaces a file that another account has made larger without reading it', async (t) => {
  for (const props of [
    { path, url, sha256 },
    { path, url: '/var/tmp/app.war' },
  ]) {
    const machine = new VirtualHost(host)
    local('new')(machine)
    const plan = planOf((r) => void remote_file(r, props))
    await run(plan, machine)
    let reads = 0
    const readBytes = machine.readBytes.bind(machine)
    machine.readBytes = (name, options) => {
      if (name === path) reads++
      return readBytes(name, options)
    }
    machine.given(path, 'longer than before')
    const report = await run(plan, machine)
    t.equal(report.outcome, 'changed')
    t.equal(reads, 1, 'only to check the new content')
    t.equal(readBytes(path)?.toString(), 'new')
    t.equal((await run(plan, machine)).outcome, 'unchanged')
  }
})

t.test('computes a digest in parts, without a command', async (t) => {
  const directory = scratch(t)
  const file = `${directory}/file`
  const bytes = randomBytes(9 * 1024 * 1024 + 5)
  writeFileSync(file, bytes)
  const real = new LocalHost(`${directory}/state`)
  t.equal(await sha256OfFile(real, file), createHash('sha256').update(bytes).digest('hex'))
  execFileSync('mkfifo', [`${directory}/pipe`])
  await t.rejects(sha256OfFile(real, `${directory}/pipe`), { code: 'NOT_A_FILE' })
})

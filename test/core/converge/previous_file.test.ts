/** Tests how a new file that takes the place of another one is reported: as a diff of that one. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import type { ResourceReport } from '../../../core/report/events.ts'
import { file } from '../../../resources/files/file.ts'
import { template } from '../../../resources/files/template.ts'
import { planOf } from '../../support/contract.ts'

const path = '/srv/releases/2/site.cfg'
const previous = '/srv/current/site.cfg'

function hostWith(content: string | null): VirtualHost {
  const host = new VirtualHost()
  host.given('/srv/releases/2/VERSION', '2')
  if (content !== null) host.given('/srv/releases/1/site.cfg', content)
  host.replaceLink('/srv/current', 'releases/1')
  return host
}

async function reported(
  host: VirtualHost,
  { content = 'a\nb\n', mode = 'run', sensitive = false, secrets = new Secrets() } = {},
): Promise<ResourceReport | undefined> {
  const reports: ResourceReport[] = []
  const plan = planOf((r) => {
    file(r, { path, content, previous, sensitive })
  })
  const isPlan = mode === 'plan'
  await converge(plan, isPlan ? new VirtualHost({ base: host }) : host, {
    id: 'x',
    mode: isPlan ? 'plan' : 'run',
    handlers: [{ resource: (one) => void reports.push(one) }],
    secrets,
  })
  return reports[0]
}

for (const mode of ['plan', 'run']) {
  t.test(`a ${mode} compares a new file with the one whose place it takes`, async (t) => {
    const report = await reported(hostWith('a\nold\n'), { mode })
    t.strictSame(report?.texts, { before: 'a\nold\n', after: 'a\nb\n' })
    t.strictSame(report?.comparedWith, { path: previous, isSame: false })
    t.match(
      report?.patch?.find((one) => one.path === '/kind'),
      { value: 'file' },
      'the patch is that of a new file',
    )
  })

  t.test(`a ${mode} says that the content is the same`, async (t) => {
    const report = await reported(hostWith('a\nb\n'), { mode })
    t.strictSame(report?.comparedWith, { path: previous, isSame: true })
    t.equal(report?.texts, null)
  })

  t.test(`a ${mode} of the first release has nothing to compare with`, async (t) => {
    const report = await reported(hostWith(null), { mode })
    t.equal(report?.comparedWith, undefined)
    t.strictSame(report?.texts, { before: '', after: 'a\nb\n' })
  })
}

t.test('a file that exists is compared with itself', async (t) => {
  const host = hostWith('a\nold\n')
  host.given(path, 'a\nmine\n')
  const report = await reported(host)
  t.equal(report?.comparedWith, undefined)
  t.strictSame(report?.texts, { before: 'a\nmine\n', after: 'a\nb\n' })
})

t.test('a previous file that is none, or that is not known yet, is not compared', async (t) => {
  const host = hostWith(null)
  host.makeDirectory('/srv/releases/1', {})
  host.makeDirectory('/srv/releases/1/site.cfg', {})
  t.equal((await reported(host))?.comparedWith, undefined)
  const dry = new VirtualHost({ base: hostWith('a\n') })
  dry.unknown('/srv/releases/1', 'git_release /srv/releases')
  const report = await reported(dry)
  t.match(report, { outcome: 'changed' })
  t.equal(report?.comparedWith, undefined)
})

t.test('the content of a sensitive file stays hidden; that it differs does not', async (t) => {
  const report = await reported(hostWith('a\nold\n'), { sensitive: true })
  t.equal(report?.texts, null)
  t.strictSame(report?.comparedWith, { path: previous, isSame: false })
})

t.test('masks a secret of the previous file that no attribute names any more', async (t) => {
  const host = hostWith(null)
  const current = '/srv/releases/1/site.cfg'
  const old = new Secrets()
  old.add('hunter-one')
  host.makeDirectory('/srv/releases/1', {})
  const first = planOf((r) => {
    file(r, { path: current, content: 'x = 1\nkey = hunter-one\n' })
  })
  await converge(first, host, { id: 'x', mode: 'run', secrets: old })
  const secrets = new Secrets()
  secrets.add('hunter-two')
  const report = await reported(host, { content: 'other = hunter-two\n', secrets })
  t.notMatch(JSON.stringify(report), /hunter/)
  t.match(report?.texts?.before, '********')
})

t.test('a template has it too', async (t) => {
  const host = hostWith('port = 1\n')
  const reports: ResourceReport[] = []
  const plan = planOf((r) => {
    template(r, { path, source: 'port = {{port}}\n', variables: { port: 2 }, previous })
  })
  await converge(plan, host, { id: 'x', mode: 'run', handlers: [{ resource: (one) => void reports.push(one) }] })
  t.strictSame(reports[0]?.texts, { before: 'port = 1\n', after: 'port = 2\n' })
})

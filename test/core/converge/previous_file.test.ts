/** Tests that a run reports a new file as a difference from the previous file that it replaces. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import type { ResourceReport } from '../../../core/report/events.ts'
import { file } from '../../../resources/files/file.ts'
import { template } from '../../../resources/files/template.ts'
import { planOf } from '../../support/contract.ts'

const newPath = '/srv/releases/2/site.cfg'
const previousPath = '/srv/current/site.cfg'

/** Makes a host with the previous release, and its site.cfg unless the content is null. */
function hostWith(content: string | null): VirtualHost {
  const host = new VirtualHost()
  host.given('/srv/releases/2/VERSION', '2')
  if (content !== null) host.given('/srv/releases/1/site.cfg', content)
  host.replaceLink('/srv/current', 'releases/1')
  return host
}

/** Runs or plans the new file, and returns its report. */
async function fileReport(
  host: VirtualHost,
  { content = 'a\nb\n', isPlan = false, sensitive = false, secrets = new Secrets() } = {},
): Promise<ResourceReport | undefined> {
  const reports: ResourceReport[] = []
  const plan = planOf((r) => {
    file(r, { path: newPath, content, previous: previousPath, sensitive })
  })
  await converge(plan, isPlan ? new VirtualHost({ base: host }) : host, {
    id: 'x',
    mode: isPlan ? 'plan' : 'run',
    handlers: [{ resource: (report) => void reports.push(report) }],
    secrets,
  })
  return reports[0]
}

for (const isPlan of [true, false]) {
  const mode = isPlan ? 'plan' : 'run'
  t.test(`a ${mode} compares a new file with the previous one`, async (t) => {
    const report = await fileReport(hostWith('a\nold\n'), { isPlan })
    t.strictSame(report?.texts, { before: 'a\nold\n', after: 'a\nb\n' })
    t.strictSame(report?.comparedWith, { path: previousPath, isSame: false })
    t.match(
      report?.patch?.find((change) => change.path === '/kind'),
      { value: 'file' },
      'the patch is that of a new file',
    )
  })

  t.test(`a ${mode} reports that the content is that of the previous file`, async (t) => {
    const report = await fileReport(hostWith('a\nb\n'), { isPlan })
    t.strictSame(report?.comparedWith, { path: previousPath, isSame: true })
    t.equal(report?.texts, null)
  })

  t.test(`a ${mode} of the first release compares the file with nothing`, async (t) => {
    const report = await fileReport(hostWith(null), { isPlan })
    t.equal(report?.comparedWith, undefined)
    t.strictSame(report?.texts, { before: '', after: 'a\nb\n' })
  })
}

t.test('a file that exists is compared with itself', async (t) => {
  const host = hostWith('a\nold\n')
  host.given(newPath, 'a\nmine\n')
  const report = await fileReport(host)
  t.equal(report?.comparedWith, undefined)
  t.strictSame(report?.texts, { before: 'a\nmine\n', after: 'a\nb\n' })
})

t.test('a directory in place of the previous file is not compared', async (t) => {
  const host = hostWith(null)
  host.makeDirectory('/srv/releases/1', {})
  host.makeDirectory('/srv/releases/1/site.cfg', {})
  const report = await fileReport(host)
  t.equal(report?.outcome, 'changed')
  t.equal(report?.comparedWith, undefined)
})

t.test('a previous file that a dry run does not know yet is not compared', async (t) => {
  const dryHost = new VirtualHost({ base: hostWith('a\n') })
  dryHost.unknown('/srv/releases/1', 'git_release /srv/releases')
  const report = await fileReport(dryHost)
  t.equal(report?.outcome, 'changed')
  t.equal(report?.comparedWith, undefined)
})

t.test('reports that a sensitive file differs, without its content', async (t) => {
  const report = await fileReport(hostWith('a\nold\n'), { sensitive: true })
  t.equal(report?.texts, null)
  t.strictSame(report?.comparedWith, { path: previousPath, isSame: false })
})

t.test('masks a secret of the previous file that no attribute names any more', async (t) => {
  const host = hostWith(null)
  const firstPath = '/srv/releases/1/site.cfg'
  const oldSecrets = new Secrets()
  oldSecrets.add('hunter-one')
  host.makeDirectory('/srv/releases/1', {})
  const first = planOf((r) => {
    file(r, { path: firstPath, content: 'x = 1\nkey = hunter-one\n' })
  })
  await converge(first, host, { id: 'x', mode: 'run', secrets: oldSecrets })
  const secrets = new Secrets()
  secrets.add('hunter-two')
  const report = await fileReport(host, { content: 'other = hunter-two\n', secrets })
  t.notMatch(JSON.stringify(report), /hunter/)
  t.match(report?.texts?.before, '********')
})

t.test('a template is compared with the previous file', async (t) => {
  const host = hostWith('port = 1\n')
  const reports: ResourceReport[] = []
  const plan = planOf((r) => {
    template(r, { path: newPath, source: 'port = {{port}}\n', variables: { port: 2 }, previous: previousPath })
  })
  await converge(plan, host, { id: 'x', mode: 'run', handlers: [{ resource: (report) => void reports.push(report) }] })
  t.strictSame(reports[0]?.texts, { before: 'port = 1\n', after: 'port = 2\n' })
})

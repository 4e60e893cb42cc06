/**
 * Tests files of a package that a resource replaces: a single sentence instead of a diff, and a copy of the original.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import type { ResourceReport } from '../../../core/report/events.ts'
import { file } from '../../../resources/files/file.ts'
import { originalPath } from '../../../resources/files/packaged_file.ts'
import { remote_file } from '../../../resources/files/remote_file.ts'
import { template } from '../../../resources/files/template.ts'
import { archivePrograms, programs } from '../../support/commands.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const path = '/etc/nginx/nginx.conf'
const original = Array.from({ length: 200 }, (_, line) => `# line ${line}\n`).join('')
const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const dpkg = (text: string) =>
  `Package: nginx-common\nStatus: install ok installed\nConffiles:\n /etc/default/nginx 0123\n ${path} ${md5(text)}\nVersion: 1\n`

function withPackage(host: VirtualHost, content = original): void {
  host.given('/var/lib/dpkg/status', dpkg(original))
  host.given(path, content, '0640')
}

const copy = originalPath(path)
const props = { path, content: 'events {}\n' }

contract(t, file, [
  {
    name: 'keeps the original with its mode',
    props,
    given: withPackage,
    changes: [`replace /content = ${JSON.stringify('events {}\n')}`],
    then: (t, host) => t.match([host.readText(copy), host.lstat(copy)], [original, { mode: '0640', uid: 0 }]),
  },
  {
    name: 'keeps no copy of a file that somebody has changed',
    props,
    given: (host) => withPackage(host, `${original}# by hand\n`),
    then: (t, host) => t.equal(host.lstat(copy), null),
  },
  {
    name: 'keeps an original that ucf has installed',
    props,
    given(host) {
      withPackage(host)
      host.given('/var/lib/dpkg/status', '')
      host.given('/var/lib/ucf', null)
      host.given('/var/lib/ucf/hashfile', `0123  /etc/other\n${md5(original)}  ${path}\n`)
    },
    then: (t, host) => t.equal(host.readText(copy), original),
  },
  {
    name: 'keeps the original of a file that is removed',
    props: { path, absent: true },
    given: withPackage,
    then: (t, host) => t.match([host.lstat(path), host.readText(copy)], [null, original]),
  },
  {
    name: 'makes no copy if only the mode changes',
    props: { path, content: original, mode: '0600' },
    given: withPackage,
    then: (t, host) => t.equal(host.lstat(copy), null),
  },
])

/** Returns the report of a run on a host with the package, which is the same in a dry run. */
async function reported(declare: Parameters<typeof planOf>[0], content?: string): Promise<ResourceReport | undefined> {
  const reports: ResourceReport[] = []
  for (const mode of ['plan', 'run'] as const) {
    const host = new VirtualHost()
    withPackage(host, content)
    const plan = planOf(declare)
    await converge(plan, host, { id: 'test', mode, handlers: [{ resource: (report) => void reports.push(report) }] })
  }
  t.match(reports[1], { words: reports[0]?.words, texts: reports[0]?.texts }, 'the plan reports the same')
  return reports[1]
}

t.test('reports a replacement in one sentence; the patch stays machine-readable', async (t) => {
  const words = `replaces the distribution's file, kept as ${copy}`
  t.match(await reported((r) => file(r, props)), { words, texts: null, patch: [{ op: 'replace', path: '/content' }] })
  t.match(await reported((r) => template(r, { path, source: 'events {}\n', variables: {} })), { words, texts: null })
  const removed = await reported((r) => file(r, { path, absent: true }))
  t.match(removed, { words: `removes the distribution's file, kept as ${copy}` })
  const changed = await reported((r) => file(r, props), 'by hand')
  t.match(changed, { words: undefined, texts: { before: 'by hand', after: 'events {}\n' } })
})

t.test('keeps the original of a new version of the package in place of the old one', async (t) => {
  const host = new VirtualHost()
  withPackage(host)
  await run(
    planOf((r) => file(r, props)),
    host,
  )
  host.given('/var/lib/dpkg/status', dpkg('second'))
  host.given(path, 'second')
  await run(
    planOf((r) => file(r, props)),
    host,
  )
  t.equal(host.readText(copy), 'second')
  const before = host.changes.length
  await run(
    planOf((r) => file(r, props)),
    host,
  )
  t.equal(host.changes.length, before)
})

t.test('remote_file keeps the original', async (t) => {
  const host = new VirtualHost({ commands: programs(archivePrograms) })
  withPackage(host)
  host.given('/srv/nginx.conf', 'events {}\n')
  await run(
    planOf((r) => remote_file(r, { path, url: '/srv/nginx.conf' })),
    host,
  )
  t.match([host.readText(path), host.readText(copy)], ['events {}\n', original])
})

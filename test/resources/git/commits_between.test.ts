/** Tests the list of commits that a plan and a deploy print for a new release. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import picocolors from 'picocolors'
import t from 'tap'
import { describeChange } from '../../../core/report/describe.ts'
import { GitSite } from '../../support/git_site.ts'

const plainText = picocolors.createColors(false)

function rows({ report }: Awaited<ReturnType<GitSite['deploy']>>): string[] {
  const release = report.resources.find(({ type }) => type === 'git_release')
  if (release === undefined) throw new Error('there is no new release')
  return describeChange(release, plainText).slice(1)
}

t.test('lists the commits between the current and the new release', async (t) => {
  const site = new GitSite(t)
  const first = site.commit({ 'a.txt': '1' })
  t.strictSame(rows(await site.deploy()), [], 'there is no current release')
  const second = site.commit({ 'a.txt': '2' }, 'Fix the prices\n\nThe body is not listed.')
  const third = site.commit({ 'a.txt': '3' }, 'Say \u001b[31mred\u0007 and password=hunter2-long')
  const expected = [
    `    from ${first.slice(0, 8)} to ${third.slice(0, 8)}: 2 new commits`,
    `      ${third.slice(0, 8)} Say red\\x07 and password=******** (Tester)`,
    `      ${second.slice(0, 8)} Fix the prices (Tester)`,
  ]
  const before = site.snapshot()
  t.strictSame(rows(await site.deploy({}, { mode: 'plan' })), expected, 'a plan reads the repository')
  t.strictSame(site.snapshot(), before, 'and writes nothing')
  t.strictSame(rows(await site.deploy()), expected, 'a deploy reads the mirror')
  t.equal((await site.deploy()).report.outcome, 'unchanged')
})

t.test('caps the list, and counts commits that the new release lacks', async (t) => {
  const site = new GitSite(t)
  const first = site.commit({ 'a.txt': '1' })
  await site.deploy()
  for (let count = 1; count <= 34; count++) site.commit({}, `Step ${count}`)
  const lines = rows(await site.deploy())
  t.match(lines[0], /: 34 new commits$/)
  t.match(lines[1], / Step 34 \(Tester\)$/)
  t.equal(lines.length, 22)
  t.equal(lines.at(-1), '      and 14 more')
  const back = rows(await site.deploy({ revision: first, always: true }))
  t.match(back[0], /: without 34 commits of the current release$/)
  t.match(back[1], / Step 34 \(Tester\)$/)
  site.git(site.repository, 'checkout', '-q', '-b', 'other', first)
  const other = site.commit({ 'a.txt': 'x' }, 'Another way')
  await site.deploy()
  const diverged = rows(await site.deploy({ revision: 'other' }))
  t.match(diverged[0], /: 1 new commit, without 34 commits of the current release$/)
  t.strictSame(diverged.slice(1), [`      ${other.slice(0, 8)} Another way (Tester)`])
})

t.test('a plan fetches the commits of a remote repository into a temporary one', async (t) => {
  const site = new GitSite(t)
  const first = site.commit({ 'a.txt': '1' })
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x')
    const env = {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: site.root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathname.replace('/site.git', '/origin/.git'),
      QUERY_STRING: searchParams.toString(),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'],
      GIT_PROTOCOL: request.headers['git-protocol'] as string | undefined,
      REMOTE_ADDR: '127.0.0.1',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
    }
    const child = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    request.pipe(child.stdin)
    const answer: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => answer.push(chunk))
    child.on('close', () => {
      const all = Buffer.concat(answer)
      const end = all.indexOf('\r\n\r\n')
      const headers = all
        .subarray(0, end)
        .toString()
        .split('\r\n')
        .map((line) => line.split(': ') as [string, string])
      for (const [name, value] of headers) response.setHeader(name, value)
      response.end(all.subarray(end + 4))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const repository = `http://127.0.0.1:${(server.address() as AddressInfo).port}/site.git`
  t.equal((await site.deploy({ repository })).failure, undefined)
  const second = site.commit({ 'a.txt': '2' }, 'Fix the prices')
  const before = site.snapshot()
  t.strictSame(rows(await site.deploy({ repository }, { mode: 'plan' })), [
    `    from ${first.slice(0, 8)} to ${second.slice(0, 8)}: 1 new commit`,
    `      ${second.slice(0, 8)} Fix the prices (Tester)`,
  ])
  t.strictSame(site.snapshot(), before, 'and writes nothing')
})

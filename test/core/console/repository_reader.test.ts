/** Tests the list of revisions: with real git, against repositories that are missing, hostile, slow or large. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { RepositoryReader } from '../../../core/console/stack/repository_reader.ts'

t.test('revisions of a repository', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const site = `${directory}/site`
  const git = (...words: string[]) =>
    execFileSync('git', ['-C', site, '-c', 'user.name=Ann', '-c', 'user.email=a@b', ...words], { encoding: 'utf8' })
  execFileSync('git', ['init', '-q', '-b', 'main', site])
  const commit = (subject: string) => git('commit', '-q', '--allow-empty', '-m', subject)
  commit('one')
  commit('<b>two</b>')
  git('tag', '-a', 'v1', '-m', 'first')
  git('checkout', '-q', '-b', 'sale')
  commit('three')
  const head = (name: string) => git('rev-parse', name).trim()
  const clones = `${directory}/clones`

  await t.test('lists branches, tags and commits', async (t) => {
    const { branches, tags, commits } = await new RepositoryReader(clones).revisions(site)
    t.strictSame(branches, [
      { name: 'main', commit: head('main') },
      { name: 'sale', commit: head('sale') },
    ])
    t.strictSame(tags, [{ name: 'v1', commit: head('main') }], 'the commit of the tag, and not the tag')
    t.strictSame(commits.map(({ subject }) => subject).sort(), ['<b>two</b>', 'one', 'three'])
    t.match(commits[0], { commit: /^[0-9a-f]{40}$/, author: 'Ann', time: /^\d{4}-/ })
  })

  await t.test('lists a new commit, and no longer a removed branch', async (t) => {
    git('checkout', '-q', 'main')
    git('branch', '-q', '-D', 'sale')
    commit('four')
    const { branches, commits } = await new RepositoryReader(clones).revisions(site)
    t.strictSame(branches, [{ name: 'main', commit: head('main') }])
    t.strictSame(commits.map(({ subject }) => subject).sort(), ['<b>two</b>', 'four', 'one'])
    t.equal(readdirSync(clones).length, 1, 'in the same clone')
  })

  const refusal = async (repository: string, reader = new RepositoryReader(clones)) =>
    reader.revisions(repository).then(
      () => 'listed',
      ({ code, message }) => `${code} ${message}`,
    )

  await t.test(
    'refuses addresses that start programs, options, and other addresses without a repository',
    async (t) => {
      const mark = `${directory}/mark`
      for (const one of [
        `ext::sh -c touch% ${mark}`,
        `--upload-pack=touch ${mark}`,
        `ssh://-oProxyCommand=touch${mark}/x`,
        `fd::17`,
      ])
        t.match(await refusal(one), /^REPOSITORY_UNREADABLE/, one)
      t.notOk(existsSync(mark), 'no program has run')
      t.match(await refusal(`${directory}/nothing`), /^REPOSITORY_UNREADABLE/)
    },
  )

  await t.test('shows no credentials', async (t) => {
    const text = await refusal('http://ann:s3cret-word@127.0.0.1:1/site.git')
    t.match(text, /^REPOSITORY_UNREADABLE/)
    t.notMatch(text, /s3cret-word/)
    t.match(await refusal('https://ann:********@git.example.com/site.git'), /credentials of the stack/)
  })

  await t.test('ends a slow query at the deadline', async (t) => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as { port: number }
    const reader = new RepositoryReader(clones, { timeoutMs: 500, maxFileSize: 1 << 20 })
    t.match(await refusal(`http://127.0.0.1:${port}/site.git`, reader), /no answer within 0\.5 s/)
  })

  await t.test('ends a large answer at the limit of size, and leaves no files', async (t) => {
    writeFileSync(`${directory}/message`, `large\n\n${randomBytes(400_000).toString('base64')}`)
    git('commit', '-q', '--allow-empty', '-F', `${directory}/message`)
    const other = `${directory}/other`
    const reader = new RepositoryReader(other, { timeoutMs: 60_000, maxFileSize: 100_000 })
    t.match(await refusal(site, reader), /^REPOSITORY_UNREADABLE/)
    t.strictSame(readdirSync(other), [])
  })
})

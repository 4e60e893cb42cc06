/** Tests remote repositories of git_release: logins, hosts that do not answer, addresses and errors. */
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import t from 'tap'
import { ConvergeError } from '../../../core/model/errors.ts'
import { createRemote, gitFailure, localGit, resolveUrl } from '../../../resources/git/remote.ts'
import { GitSite } from '../../support/git_site.ts'

const key = `-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0IGtleSBvZiB0aGUgdGVzdHM=\n-----END OPENSSH PRIVATE KEY-----\n`

/** Returns all traces of the run: reports, errors, warnings, arguments of git and ssh, and files on the disk. */
function allTexts(site: GitSite, ...deployed: object[]): string {
  const files = (path: string): string[] =>
    fs.readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      const at = `${path}/${entry.name}`
      if (entry.isDirectory()) return files(at)
      return entry.isFile() ? [fs.readFileSync(at, 'latin1')] : []
    })
  const logs = ['calls', 'ssh-calls'].map((name) =>
    fs.existsSync(`${site.root}/${name}`) ? site.read(`${site.root}/${name}`) : '',
  )
  return [
    ...deployed.map((one) => JSON.stringify(one)),
    ...logs,
    ...files(`${site.root}/site`),
    ...files(`${site.root}/state`),
  ].join('\n')
}

t.test('over ssh: only ssh gets the key and the known hosts', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  fs.mkdirSync(`${site.root}/state`)
  const ssh = `#!/bin/bash
printf '%s\\n' "$@" >> ${site.root}/ssh-calls
env > ${site.root}/ssh-environment
while [ $# -gt 1 ]; do
  case $1 in
    -i) cat "$2" > ${site.root}/key; stat -Lc '%a %u' "$2" > ${site.root}/key-mode;;
    UserKnownHostsFile=*) cat "\${1#*=}" > ${site.root}/known-hosts;;
  esac
  shift
done
exec sh -c "$1"
`
  fs.writeFileSync(`${site.root}/bin/ssh`, ssh, { mode: 0o755 })
  const git = site.read(`${site.root}/bin/git`)
  const noted = `for word; do case $word in ls-remote|fetch|clone|cat-file|rev-parse|checkout|read-tree|config|init)
  if [ -n "$CONVERGE_SSH_KEY" ]; then echo "$word" >> ${site.root}/git-with-key; fi; break;; esac; done
exec `
  fs.writeFileSync(`${site.root}/bin/git`, git.replace(/^exec /m, noted), { mode: 0o755 })
  const shm = () => fs.readdirSync('/dev/shm').filter((name) => name.startsWith('.converge'))
  const before = shm()
  const repository = `deploy@git.example.com:${site.repository}`
  const props = {
    repository,
    sshKey: key.replaceAll('\n', '\r\n').trim(),
    knownHosts: 'git.example.com ssh-ed25519 AAAA',
  }
  const { failure, ...rest } = await site.deploy(props)
  t.equal(failure, undefined)
  t.equal(site.read(`${site.current}/a.txt`), '1')
  const withKey = site.read(`${site.root}/git-with-key`).trim().split('\n')
  t.strictSame(
    [...new Set(withKey)].sort(),
    ['fetch', 'ls-remote'],
    'only commands that contact the server get the key',
  )
  t.equal(site.read(`${site.root}/key`), key, 'as ssh wants it, whatever line ends the JSON had')
  t.equal(site.read(`${site.root}/key-mode`), `600 ${process.getuid?.()}\n`)
  t.equal(site.read(`${site.root}/known-hosts`), 'git.example.com ssh-ed25519 AAAA\n')
  const calls = site.read(`${site.root}/ssh-calls`)
  t.match(calls, /StrictHostKeyChecking=yes/)
  t.match(calls, /BatchMode=yes/, 'ssh never asks a question')
  t.match(calls, /GlobalKnownHostsFile=\/dev\/null/)
  t.match(calls, /IdentitiesOnly=yes/)
  t.match(calls, /deploy@git\.example\.com/)
  t.notMatch(site.read(`${site.root}/ssh-environment`), /^CONVERGE_(SSH_KEY|KNOWN_HOSTS)=/m)
  t.notMatch(allTexts(site, rest.report), 'c2VjcmV0')
  t.strictSame(shm(), before, 'no key file remains')

  fs.rmSync(`${site.root}/ssh-calls`)
  site.commit({ 'a.txt': '2' })
  t.equal((await site.deploy({ repository })).failure, undefined)
  const plain = site.read(`${site.root}/ssh-calls`)
  t.match(plain, /StrictHostKeyChecking=yes/)
  t.notMatch(plain, /KnownHostsFile|^-i$/m, "the account's own files otherwise")
})

t.test('over https: only its server gets the login', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  fs.mkdirSync(`${site.root}/state`)
  const logins: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const { authorization } = request.headers
    const expected = `Basic ${Buffer.from('deploy user:pa/ss@word').toString('base64')}`
    if (authorization === undefined) return response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end()
    logins.push(authorization)
    const path = `${site.repository}/.git${new URL(request.url ?? '/', 'http://x').pathname.replace('/site.git', '')}`
    if (authorization !== expected) return response.writeHead(403).end()
    if (!fs.existsSync(path) || extname(path) === '..') return response.writeHead(404).end()
    return response.end(fs.readFileSync(path))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  site.git(site.repository, 'update-server-info')

  const url = `http://deploy%20user:pa%2Fss%40word@${host}/site.git`
  const one = await site.deploy({ repository: url, revision: 'main' })
  t.equal(one.failure, undefined)
  t.equal(site.read(`${site.current}/a.txt`), '1')
  t.ok(logins.length > 0)
  const two = await site.deploy({
    repository: `http://${host}/site.git`,
    username: 'deploy user',
    password: 'pa/ss@word',
  })
  t.equal(two.report.outcome, 'unchanged', 'the same repository, however the login is given')

  const wrong = await site.deploy({
    repository: `http://deploy%20user:wr0ng-word@${host}/site.git`,
    inputs: { a: 'b' },
  })
  t.match(JSON.stringify(wrong.report.warnings), /403/, 'the repository cannot be queried: the known commit is used')
  fs.rmSync(`${site.root}/site`, { recursive: true })
  for (const path of [site.into, site.shared]) fs.mkdirSync(path, { recursive: true })
  const refused = await site.deploy({ repository: `http://deploy%20user:wr0ng-word@${host}/site.git` })
  t.match(refused.failure?.text, /cannot list the branches and tags of http:\/\/127.*the login: give username.*403/s)
  t.notMatch(
    allTexts(site, one.report, two.report, wrong.report, refused.report, refused.failure ?? {}),
    /pa(\/|%2F)ss|wr0ng-word/,
  )
})

t.test('a server to which the repository redirects does not get the login', async (t) => {
  const site = new GitSite(t)
  const logins: string[] = []
  let requestCount = 0
  const other = createServer((request, response) => {
    requestCount++
    if (request.headers.authorization !== undefined) logins.push(request.headers.authorization)
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="other"' }).end()
  })
  const portOf = async (server: typeof other) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    return (server.address() as AddressInfo).port
  }
  const otherPort = await portOf(other)
  const named = createServer(({ url }, response) => {
    response.writeHead(302, { Location: `http://127.0.0.1:${otherPort}${url}` }).end()
  })
  const repository = `http://127.0.0.1:${await portOf(named)}/site.git`
  const { failure } = await site.deploy({ repository, username: 'deploy', password: 'pa/ss@word' })
  t.match(failure?.text, /the login/)
  t.ok(requestCount > 0, 'git follows the redirect')
  t.strictSame(logins, [])
})

t.test("git reads the host's own configuration, which has certificates and proxies", async (t) => {
  const { environment } = localGit({ user: undefined, group: undefined }, ['version']).options
  t.strictSame(
    Object.keys(environment ?? {}).filter((name) => /^GIT_CONFIG_(NO)?SYSTEM$/.test(name)),
    [],
  )
})

t.test('fails if the remote cannot be reached', async (t) => {
  const site = new GitSite(t)
  const away = () => fs.renameSync(site.repository, `${site.root}/away`)
  const back = () => fs.renameSync(`${site.root}/away`, site.repository)
  const first = site.commit({ 'a.txt': '1' })
  site.git(site.repository, 'tag', '-a', 'v1', '-m', 'v1')
  const { currentId: current } = await site.deploy()

  away()
  const same = await site.deploy()
  t.equal(same.report.outcome, 'unchanged', 'the branch has the same commit as the last time')
  t.match(
    same.report.warnings.join(),
    new RegExp(`cannot list the branches and tags of ${site.repository}.*using ${first}`),
  )
  t.equal(
    (await site.deploy({ inputs: { a: 'b' } })).releases.at(-1)?.commit,
    first,
    'a new configuration can be deployed',
  )
  const tag = await site.deploy({ revision: 'v1' })
  t.equal(tag.failure, undefined, 'the mirror knows the tag')
  t.equal(tag.report.warnings.length, 1)
  for (const revision of [first, first.slice(0, 8)]) {
    const known = await site.deploy({ revision })
    t.strictSame([known.failure, known.report.warnings], [undefined, []], 'a full commit needs no query')
  }
  for (const revision of ['other', 'HEAD', 'abcdef12'])
    t.match(
      (await site.deploy({ revision })).failure?.text,
      /cannot list the branches and tags of .*no such repository/s,
      revision,
    )
  back()

  await t.test('uses the last known commit, also if it needed no fetch', async (t) => {
    const second = site.commit({ 'a.txt': '2' })
    await site.deploy()
    site.git(site.repository, 'branch', 'older', first)
    site.git(site.repository, 'reset', '-q', '--hard', first)
    const reset = await site.deploy()
    t.equal(reset.releases.find((release) => release.current)?.commit, first)
    away()
    const known = await site.deploy()
    t.equal(known.report.outcome, 'unchanged')
    t.match(known.report.warnings.join(), first)
    t.notMatch(known.report.warnings.join(), second)
    back()
  })
  await t.test('records the commits of each repository separately', async (t) => {
    const { failure } = await site.deploy({ repository: `${site.root}/elsewhere` })
    t.match(failure?.text, /cannot list the branches and tags of .*elsewhere/)
  })
  t.ok(current)
})

t.test('fetches the queried commit if the branch moves before the fetch', async (t) => {
  const site = new GitSite(t)
  const requestedPath = site.commit({ 'a.txt': '1' })
  const real = site.read(`${site.root}/bin/git`)
  const move = `case "$*" in *ls-remote*) ;; *" fetch "*) PATH=/usr/bin:/bin; cd ${site.repository} && GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x git update-ref refs/heads/main "$(GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x git commit-tree -m moved 'HEAD^{tree}')";; esac\n`
  fs.writeFileSync(`${site.root}/bin/git`, real.replace('exec ', `${move}cd /; exec `))
  const { failure, releases } = await site.deploy()
  t.equal(failure, undefined)
  t.equal(releases[0]?.commit, requestedPath, 'the requested commit is deployed')
})

t.test('accepts addresses that git accepts, and refuses others', async (t) => {
  const of = (repository: string) => {
    const secrets: string[] = []
    const { url, local, login } = createRemote({ repository }, (value) => secrets.push(value))
    return { url, local, login, secrets }
  }
  t.match(of('https://git.example.com/site.git'), {
    url: 'https://git.example.com/site.git',
    local: null,
    login: null,
    secrets: [],
  })
  t.match(of('https://me:word@git.example.com:8443/site.git'), {
    url: 'https://git.example.com:8443/site.git',
    login: { origin: 'https://git.example.com:8443', username: 'me', password: 'word' },
    secrets: ['word'],
  })
  const token = 'ghp_0123456789abcdefghij'
  t.match(of(`https://${token}@github.com/o/r`), {
    url: 'https://github.com/o/r',
    login: { username: token, password: '' },
    secrets: [token],
  })
  t.match(of(`https://${token}:x-oauth-basic@github.com/o/r`).secrets, ['x-oauth-basic', token])
  t.match(of('ssh://git:word@git.example.com/r'), {
    url: 'ssh://git@git.example.com/r',
    login: null,
    secrets: ['word'],
  })
  t.match(of('git@git.example.com:o/r.git'), { url: 'git@git.example.com:o/r.git', login: null, secrets: [] })
  t.equal(of('file:///srv/a%20b').local, '/srv/a b')
  t.equal(of('/srv/a b').local, '/srv/a b')
  const relative: readonly [string, string, string][] = [
    ['https://h/g/site.git', '../lib.git', 'https://h/g/lib.git'],
    ['https://h/g/site.git/', './lib', 'https://h/g/site.git/lib'],
    ['git@h:g/site.git', '../../o/lib', 'git@h:o/lib'],
    ['git@h:site.git', '../lib', 'git@h:lib'],
    ['/srv/site', '../lib', '/srv/lib'],
    ['https://h/g/site.git', 'https://x/y', 'https://x/y'],
  ]
  for (const [base, given, expected] of relative) t.equal(resolveUrl(base, given), expected, `${given} at ${base}`)
})

t.test('turns messages of git into hints', async (t) => {
  const messages: readonly [string, RegExp][] = [
    ['ssh: Could not resolve hostname git.example.com: Name or service not known', /^the network/],
    ['fatal: unable to access: Failed to connect to git.example.com port 443: Connection refused', /^the network/],
    ['ssh: connect to host h port 22: Connection timed out', /^the network/],
    ['git@h: Permission denied (publickey).', /^the key: give/],
    ['Load key "/proc/1/fd/9": error in libcrypto\ngit@h: Permission denied (publickey).', /^the key: its text/],
    [
      'No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.',
      /^known hosts: the server's host key is not known/,
    ],
    [
      '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.',
      /^known hosts: .*not the one known/,
    ],
    ["fatal: could not read Username for 'https://h': terminal prompts disabled", /^the login/],
    ['remote: Repository not found.\nfatal: repository not found', /^the address/],
    ["fatal: detected dubious ownership in repository at '/srv/x'", /belongs to another account/],
    ["fatal: transport 'file' not allowed", /submodule/],
    ['server certificate verification failed. CAfile: none', /^the certificate/],
    ['error: unable to write file x: No space left on device', /^free some space/],
  ]
  for (const [output, hint] of messages) {
    const error = gitFailure(
      new ConvergeError('x', { code: 'COMMAND_FAILED', output }),
      'cannot list the branches and tags of',
    ) as ConvergeError
    t.match(error.hint, hint, output)
    t.equal(error.output, output)
  }
  const other = new TypeError('x')
  t.equal(gitFailure(other, 'x'), other)
  t.match(gitFailure(new ConvergeError('x', { code: 'NO_PROGRAM' }), 'x'), { message: 'git is not installed' })
  t.match(gitFailure(new ConvergeError('x', { code: 'COMMAND_TIMEOUT' }), 'x'), { hint: /^the network/ })
})

t.test('records the given commit of a branch as if the remote had been queried', async (t) => {
  const site = new GitSite(t)
  const commit = site.commit({ 'a.txt': '1' })
  t.equal((await site.deploy({ commit })).report.outcome, 'changed')
  t.equal((await site.deploy({ commit })).report.outcome, 'unchanged')
  t.equal((await site.deploy({})).report.outcome, 'unchanged', 'a query of the remote finds nothing new')
  t.equal(
    (await site.deploy({ commit, revision: commit.slice(0, 8) })).report.outcome,
    'unchanged',
    'a commit is no name',
  )
})

/** Tests values of attributes that contain syntax of a configuration language. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { GitSite } from '../support/git_site.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

const scm = { repository: '/nowhere/repository.git' }
const hostile = ['1m; include /etc/passwd', '1m;}', '1m\nroot /', '1m #', '"1m', "1m'", '$request_body', '1m {', '']

async function refused(t: Test, role: string, attributes: object, key: string): Promise<void> {
  const sandbox = new Sandbox(t)
  // The key is on its own line, so that the position in the file is visible.
  sandbox.write({ 'site.json': JSON.stringify(attributes, null, 1) })
  const { status, stderr } = await sandbox.converge(['render', '--role', role, '--json', 'site.json'])
  t.equal(status, 2, `${key}: ${stderr}`)
  t.match(stderr, /^error: site\.json:\d+:\d+: /m, key)
  t.match(stderr, key)
}

t.test('refuses nginx values that would add a directive', async (t) => {
  for (const value of hostile)
    await refused(t, 'frontend', { nginx_plone: { client_max_body_size: value } }, 'nginx_plone.client_max_body_size')
})

t.test('refuses values of a PHP site that would add a directive', async (t) => {
  const app = (php: object) => ({ php_app: { app_name: 'shop', ...php }, deploy: { shop: { scm } } })
  for (const value of ['', 'index.php; return 200', 'a b', 'a}', 'a\nb', 'a#', '"a', '$uri'])
    await refused(t, 'php-app', app({ index: value }), 'php_app.index')
  for (const value of ['web$uri', 'a\nb', '../x', '/etc'])
    await refused(t, 'php-app', app({ document_root: value }), 'php_app.document_root')
  for (const value of [
    'a=b',
    '~',
    'a(b)',
    '${evil}',
    '"a ${evil}"',
    '1; x',
    '"a" b',
    'a"b',
    "a'b",
    '"a\\"',
    'a\nuser = root',
  ])
    await refused(
      t,
      'php-app',
      app({ fpm: { settings: { memory_limit: value } } }),
      'php_app.fpm.settings.memory_limit',
    )
  await refused(t, 'php-app', app({ fpm: { settings: { 'a] = 1\nuser': 'root' } } }), 'php_app.fpm.settings')
})

t.test('refuses names of accounts that would add a directive', async (t) => {
  for (const key of ['user', 'group'])
    for (const value of ['a}', 'a b', 'a;b', '"', '${evil}', '#a', '-a', 'a\nb', ''])
      await refused(
        t,
        'php-app',
        { php_app: { app_name: 'shop' }, deploy: { shop: { scm, [key]: value } } },
        `deploy.shop.${key}`,
      )
})

t.test('HAProxy reads quotes, comments and backslashes in values as one word', async (t) => {
  if (!needs(t, ['haproxy'])) return
  for (const value of ["/a'b", '/"', '/#evil', '/\\', '/a\\', '/\'"$evil']) {
    const sandbox = new Sandbox(t)
    const haproxy = { health_check_url: value, health_check_host: value.slice(1), stats_url: value, enable_stats: true }
    sandbox.write({
      'site.json': JSON.stringify({
        haproxy: { ...haproxy, stats_user: 'u', stats_password: 'hunter22' },
        plone_instances: { instance_count: 1 },
        opsworks: {
          instance: { hostname: 'web1', private_ip: '10.0.0.5' },
          layers: { plone_instances: { instances: { web1: { private_ip: '10.0.0.5', status: 'online' } } } },
        },
      }),
    })
    const { status, stdout, stderr } = await sandbox.converge(['render', '--role', 'frontend', '--json', 'site.json'])
    t.equal(status, 0, stderr)
    const { files } = JSON.parse(stdout) as { files: Record<string, { content: string }> }
    const [, file] = Object.entries(files).find(([path]) => path.endsWith('haproxy.cfg')) ?? []
    // The accounts and directories of the package may be missing on this system.
    const content = (file?.content ?? '').replace(/^ {2}(user|group|chroot|server-state-file|stats socket) .*\n/gm, '')
    sandbox.write({ 'haproxy.cfg': content })
    const checked = spawnSync('haproxy', ['-c', '-f', sandbox.at('haproxy.cfg')], { encoding: 'utf8' })
    t.equal(checked.status, 0, `${value}: ${checked.stderr}`)
  }
})

t.test('nginx reads a path with special characters as one word', async (t) => {
  if (!needs(t, ['nginx'])) return
  for (const root of ['a;b', 'a}b', 'a#b', 'a"b', "a'b", 'a b', 'a\\b', 'a{b']) {
    const sandbox = new Sandbox(t)
    sandbox.write({
      'site.json': JSON.stringify({ php_app: { app_name: 'shop', document_root: root }, deploy: { shop: { scm } } }),
    })
    const { status, stdout, stderr } = await sandbox.converge(['render', '--role', 'php-app', '--json', 'site.json'])
    t.equal(status, 0, stderr)
    const { files } = JSON.parse(stdout) as { files: Record<string, { content: string }> }
    const line = Object.values(files).flatMap(({ content }) => /^\s*root .*;$/m.exec(content)?.[0] ?? [])[0]
    t.ok(line, root)
    sandbox.write({
      'nginx.conf': `pid ${sandbox.at('pid')};\nerror_log ${sandbox.at('log')};\nevents {}\nhttp { server { ${line} } }\n`,
    })
    const nginx = spawnSync('nginx', ['-t', '-c', sandbox.at('nginx.conf')], { encoding: 'utf8' })
    t.equal(nginx.status, 0, `${root}: ${nginx.stderr}`)
  }
})

t.test('no address and no submodule makes git run a command or read another repository of this host', async (t) => {
  const site = new GitSite(t)
  const ran = `${site.root}/ran`
  const addresses = [`ext::sh -c touch% ${ran}`, `--upload-pack=touch ${ran}`, `-u${ran}`, '-oProxyCommand=x@host:y']
  for (const repository of [...addresses, `ssh://-oProxyCommand=touch${'${IFS}'}${ran}/x`]) {
    const failure = await site.deploy({ repository }).then(
      (done) => done.failure?.message,
      (error: Error) => error.message,
    )
    t.type(failure, 'string', repository)
    t.notOk(fs.existsSync(ran), repository)
  }
  const lib = `${site.root}/lib`
  site.init(lib)
  const commit = site.commit({ a: '1' }, 'lib', lib)
  for (const url of [`ext::sh -c touch% ${ran}`, `-u${ran}`, `--upload-pack=touch ${ran}`]) {
    fs.writeFileSync(`${site.repository}/.gitmodules`, `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n`)
    site.git(site.repository, 'update-index', '--add', '--cacheinfo', `160000,${commit},lib`)
    site.git(site.repository, 'add', '.gitmodules')
    site.git(site.repository, 'commit', '-q', '-m', 'submodule')
    const { failure } = await site.deploy({})
    t.ok(failure, url)
    t.notOk(fs.existsSync(ran), `${url}: ${failure?.text}`)
  }
})

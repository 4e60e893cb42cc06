/** Tests what port-app, jetty-app and php-app declare for given attributes, without a host. */
import t from 'tap'
import type { HostReader } from '../../core/host/types.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { ReferenceParts } from '../../core/model/reference.ts'
import type { PlannedResource } from '../../core/model/resource.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { planned, roleNode } from '../support/role_plans.ts'

const scm = { repository: 'https://git.example.com/app.git' }
const app = (more: object = {}) => ({ deploy: { app: { scm, ...more } } })

const find = (resources: readonly PlannedResource[], type: string, key = '') =>
  resources.find((one) => one.type === type && one.key.includes(key))?.props as Record<string, unknown> | undefined

t.test('refuses at once what cannot be deployed', async (t) => {
  const cases: [role: string, json: JsonObject, says: RegExp][] = [
    ['port-app', { port_app: { app_name: 'app' }, ...app() }, /port_app\.command is not set/],
    ['port-app', { port_app: { app_name: 'app', command: 'x' }, ...app() }, /does not say %\{port\}/],
    ['port-app', { port_app: { app_name: '../x', command: '%{port}' } }, /cannot be the name of an app/],
    [
      'port-app',
      { port_app: { app_name: 'x'.repeat(5000), command: '%{port}' } },
      /^.{0,200} cannot be the name of an app/,
    ],
    [
      'port-app',
      { port_app: { app_name: 'app', command: '%{port}' }, ...app({ scm: { ...scm, scm_type: 'svn' } }) },
      /scm_type svn cannot be deployed/,
    ],
    [
      'php-app',
      { php_app: { app_name: 'app' }, ...app({ user: 'root' }) },
      /would be built and run as root.*deploy\.app\.user/,
    ],
    ['port-app', { port_app: { ports: [9090, 9090] } }, /two different ports/],
    ['jetty-app', { jetty_app: { war: { file: '/a.war', path: 'b.war' } } }, /war has file and path/],
    ['jetty-app', { jetty_app: { war: { url: 'https://example.com/a.war' } } }, /needs jetty_app\.war\.sha256/],
    ['php-app', { php_app: { update_mode: 'warm' } }, /hot.*cold/],
  ]
  for (const [role, json, message] of cases)
    await t.rejects(
      planned(role, json).catch((error: Error & { problems?: Error[]; hint?: string }) => {
        const all = [error, ...(error.problems ?? [])].map((one) => `${one.message} ${error.hint ?? ''}`)
        throw new Error(all.join('\n'))
      }),
      { message },
      `${role}: ${message}`,
    )
})

t.test('without a source, deploys nothing and warns', async (t) => {
  for (const [role, json] of [
    ['port-app', { port_app: { command: '%{port}' } }],
    ['jetty-app', {}],
    ['php-app', {}],
  ] as const) {
    for (const event of ['deploy', 'build']) {
      const { resources, warnings } = await planned(role, json, { event })
      t.match(warnings, [/[a-z]+-app has nothing to deploy \(set .*, or remove the role\)$/], `${role}: ${event}`)
      t.equal(find(resources, 'git_release'), undefined)
    }
  }
})

t.test('a server as root uses the account of the app and the nginx of the system', async (t) => {
  const json = {
    port_app: {
      app_name: 'app',
      command: 'serve %{port}',
      domains: ['a.example.com', 'b.example.com'],
      http_port: 8080,
    },
    ...app({ environment: { B: '2', A: 1 } }),
  }
  const { resources } = await planned('port-app', json)
  t.match(find(resources, 'port_swap'), {
    name: 'app',
    command: 'serve %{port}',
    environment: { HOME: '/home/deploy', USER: 'deploy', A: '1', B: '2' },
    user: 'deploy',
    upstream: { path: '/etc/nginx/conf.d/app-upstream.conf' },
    reload: { name: 'nginx', provider: { kind: 'systemd' }, check: ['/usr/sbin/nginx', '-t', '-q'] },
  })
  const site = find(resources, 'file', '/etc/nginx/sites-available/app')?.content
  t.match(site, 'listen 8080;\n    server_name a.example.com b.example.com;')
  t.match(site, 'proxy_pass http://app;')
  const order = resources.map(({ type }) => type)
  t.ok(order.indexOf('release_complete') < order.indexOf('port_swap'), 'only a complete release serves visitors')
  t.ok(order.indexOf('file') < order.indexOf('git_release'), 'the site is checked before anything is built')
})

t.test('serves TLS with the certificate of the app', async (t) => {
  const pem = '/etc/nginx/ssl/app.pem'
  const tls = { ssl_support: true, ssl_certificate: 'C\n', ssl_certificate_key: 'K\n', ssl_certificate_ca: 'A' }
  const roles = {
    'port-app': { port_app: { app_name: 'app', command: '%{port}', https_port: 8443 } },
    'jetty-app': { jetty_app: { app_name: 'app', war: { path: 'a.war' }, https_port: 8443 } },
    'php-app': { php_app: { app_name: 'app', https_port: 8443 } },
  }
  for (const [role, own] of Object.entries(roles)) {
    const { resources } = await planned(role, { ...own, ...app(tls) })
    t.match(find(resources, 'file', pem), { content: 'K\nC\nA\n', mode: '0600' }, role)
    t.match(find(resources, 'directory', '/etc/nginx/ssl'), { mode: '0700' })
    const site = String(find(resources, 'file', '/etc/nginx/sites-available/app')?.content)
    t.match(site, `listen 80 default_server;\n    server_name _;`)
    t.match(
      site,
      `listen 8443 ssl http2 default_server;\n    ssl_certificate ${pem};\n    ssl_certificate_key ${pem};\n    ssl_protocols`,
    )
    t.equal(site.split('ssl http2').length, 2, 'only the port for visitors has TLS')
    const keys = resources.map(({ key }) => key)
    t.ok(keys.indexOf(pem) < keys.indexOf('/etc/nginx/sites-available/app'), 'the site needs it')
    const without = await planned(role, { ...own, ...app({ ssl_support: true, ssl_certificate: 'C' }) })
    t.match(without.warnings.join('\n'), /deploy\.app\.ssl_support is true, but there is no TLS: .*ssl_certificate_key/)
    t.match(find(without.resources, 'file', pem), { absent: true })
    const undeployed = (await planned(role, { ...own, ...app(tls) }, { event: 'undeploy' })).resources
    t.match(find(undeployed, 'file', pem), { absent: true }, 'the key is removed with the app')
  }
})

t.test('warns about two sites with one name, because nginx serves only one of them', async (t) => {
  const enabled = '/etc/nginx/sites-enabled'
  const php = { ...app(), php_app: { app_name: 'app' } }
  const text =
    '# Written by converge, changes are overwritten.\nserver {\n    listen 80;\n    server_name shop.test;\n}\n'
  const host = (of: string) => new VirtualHost().given(`${enabled}/other`, of)
  const refused = (json: JsonObject, of: string) =>
    t.rejects(planned('php-app', json, { host: host(of) }), {
      code: 'SITE_TAKEN',
      message: /sites of app and of other/,
    })
  await refused({ ...php, php_app: { app_name: 'app', domains: ['a.test', 'shop.test'] } }, text)
  await refused(php, text.replace('shop.test', '_'))
  await refused(php, text.replace('80', '80 default_server'))
  await planned('php-app', php, { host: host(text) })
  await planned('php-app', php, { host: host(text.replace('80', '8080').replace('shop.test', '_')) })
  await planned('php-app', php, { host: host(text.replace(/^.*converge/, '# By hand')) })
  await planned('php-app', php, { host: host(text).given(`${enabled}/app`, text.replace('shop.test', '_')) })
  await planned('php-app', php, { host: host(text), event: 'undeploy' })

  const both = { port_app: { app_name: 'shop', command: '%{port}' }, deploy: { app: { scm }, shop: { scm } } }
  const together = (more: JsonObject) => planned('port-app,php-app', { ...php, ...both, ...more })
  await t.rejects(together({}), { code: 'SITE_TAKEN', message: /sites of app and of shop .* every name .* at port 80/ })
  await together({ php_app: { app_name: 'app', domains: ['app.test'] } })
  await together({ php_app: { app_name: 'app', http_port: 8080 } })
  const moved = host(text).given(`${enabled}/shop`, text)
  const swapped = {
    php_app: { app_name: 'app', domains: ['shop.test'] },
    port_app: { ...both.port_app, domains: ['x.test'] },
  }
  await t.rejects(planned('php-app', { ...php, ...swapped }, { host: moved }), { message: /sites of app and of other/ })
  moved.remove(`${enabled}/other`)
  await planned('php-app,port-app', { ...php, ...both, ...swapped }, { host: moved })
  await t.rejects(planned('frontend,php-app', php), { code: 'SITE_TAKEN', message: /sites of app and of the frontend/ })
  await planned('frontend,php-app', { ...php, php_app: { app_name: 'app', domains: ['app.test'] } })
})

t.test('the smoke test requests the site of the app, not the default site of nginx', async (t) => {
  const smoke_test = {
    http: [{ path: '/' }, { headers: { host: 'b.test' } }, { port: 9000 }, { port: 9200, host: 'search.test' }],
  }
  for (const [domains, host] of [
    [['*.test', 'www.test'], 'www.test'],
    [[], undefined],
  ] as const) {
    const json = { php_app: { app_name: 'app', domains }, ...app({ smoke_test }) }
    const requests = (await planned('php-app', json)).resources.flatMap(({ type, key, props }) =>
      type === 'smoke_test' && key === 'app' ? ((props as { requests?: { headers: object }[] }).requests ?? []) : [],
    )
    t.strictSame(
      requests.map(({ headers }) => ({ ...headers })),
      [host ? { Host: host } : {}, { host: 'b.test' }, host ? { Host: host } : {}, {}],
    )
  }
})

t.test('the migrating host is one that runs the app', async (t) => {
  const hosts = (...names: string[]) => ({
    instances: Object.fromEntries(names.map((name) => [name, { status: 'online' }])),
  })
  const migrates = async (layers: JsonObject) => {
    const json = {
      port_app: { app_name: 'app', command: '%{port}' },
      ...app({ migrate: true, migrate_command: 'migrate' }),
      opsworks: { instance: { hostname: 'web1', layers: ['web', 'watched'] }, layers },
    }
    return find((await planned('port-app', json)).resources, 'migration') !== undefined
  }
  const watched = hosts('db1', 'web1', 'web2')
  t.equal(await migrates({ watched, app: hosts('web1', 'web2') }), true, 'a layer named as the app')
  t.equal(await migrates({ watched, 'port-app': hosts('web1', 'web2') }), true, 'or as its role')
  t.equal(await migrates({ watched, app: hosts('web0', 'web1') }), false, 'the first by name')
  t.equal(await migrates({ watched, web: hosts('web1') }), false, 'else all layers of this host')
})

t.test('an ordinary user deploys below the prefix, with a supervisord of its own', async (t) => {
  const json = { port_app: { app_name: 'app', command: 'serve %{port}' }, ...app() }
  const setup = (await planned('port-app', json, { event: 'setup', root: false })).resources
  t.equal(find(setup, 'package'), undefined)
  t.match(find(setup, 'supervisor_program', 'nginx'), { command: '/usr/sbin/nginx -c /home/jane/etc/nginx/nginx.conf' })
  const { resources } = await planned('port-app', json, { root: false })
  const swap = find(resources, 'port_swap')
  t.match(swap, { confDir: '/home/jane/etc/supervisor/conf.d', reload: { provider: { kind: 'supervisor' } } })
  t.notOk('user' in (swap ?? {}))
})

t.test('runs a JVM with its options, and lists the inputs of a release', async (t) => {
  const json = {
    jetty_app: {
      app_name: 'app',
      war: { path: 'target/a b.war' },
      build_command: 'mvn package',
      jvm_options: '-Xmx1g',
      context: 'shop',
      jetty_modules: ['http', 'jsp'],
    },
    ...app(),
  }
  const { resources } = await planned('jetty-app', json)
  t.equal(
    find(resources, 'port_swap')?.command,
    "java -Xmx1g -jar /usr/share/jetty9/start.jar jetty.home=/usr/share/jetty9 jetty.base=run 'jetty.http.port=%{port}'",
  )
  const build = find(resources, 'execute')?.command
  t.match(build, "sh -c 'mvn package'\nmkdir -p")
  t.match(build, "cp -fL -- 'target/a b.war' webapps/shop.war")
  t.match(build, '--module=http --module=jsp')
  t.match(build, /: > \.converge\/built$/)
})

t.test('Jetty: links files of the app into its base, and adds lines of start.d', async (t) => {
  const war = { path: 'app.war' }
  const planOf = async (more: object, own: object = {}) =>
    (await planned('jetty-app', { jetty_app: { app_name: 'app', war, ...more }, ...app(own) })).resources
  const files = {
    'etc/realm.xml': { content: '<Configure/>' },
    'etc/realm.properties': { shared: 'realm.properties' },
    'etc/web defaults.xml': { path: 'conf/web.xml' },
  }
  const resources = await planOf({ files, ini: ['etc/realm.xml', 'jetty.httpConfig.sendServerVersion=false'] })
  t.match(find(resources, 'release_files'), {
    files: {
      'run/etc/realm.xml': '<Configure/>',
      'run/start.d/app.ini': 'etc/realm.xml\njetty.httpConfig.sendServerVersion=false\n',
    },
    owner: 'deploy',
    group: 'www-data',
  })
  const build = String(find(resources, 'execute')?.command)
  t.match(build, "cp -fL -- conf/web.xml 'run/etc/web defaults.xml'")
  t.notMatch(build, 'Configure', 'no content in a command')
  t.match(find(resources, 'git_release')?.links, { 'realm.properties': 'run/etc/realm.properties' })
  t.match(find(resources, 'link_sources'), { files: ['realm.properties'] }, 'it must exist')
  const order = resources.map(({ type }) => type)
  t.ok(order.indexOf('release_files') < order.indexOf('execute'), 'before the build')

  const plain = await planOf({})
  t.equal(find(plain, 'release_files'), undefined)
  t.strictSame(Object.keys(find(plain, 'git_release')?.inputs ?? {}).sort(), ['build', 'environment', 'program'])
  const digest = async (content: string) =>
    (find(await planOf({ files: { 'etc/a': { content } } }), 'git_release')?.inputs as { files?: string } | undefined)
      ?.files
  t.not(await digest('one'), await digest('two'), 'other content, another release')

  const refused: [object, RegExp][] = [
    ...['/etc/passwd', '../x', 'etc/../../x', 'a\0b', 'a\nb'].map((name): [object, RegExp] => [
      { files: { [name]: { content: '' } } },
      /absolute|relative|'\.\.'/,
    ]),
    [{ files: { '.': { content: '' } } }, /not a relative path/],
    [{ files: { 'etc//a': { content: '' } } }, /write it as etc\/a/],
    [{ files: { 'etc/a/': { content: '' } } }, /write it as etc\/a/],
    [{ files: { etc: { content: '' } } }, /is a directory of Jetty/],
    [{ files: { 'start.d/converge.ini': { content: '' } } }, /converge writes this file.*jetty_app\.ini/],
    [{ files: { 'start.d/app.ini': { content: '' } } }, /converge writes this file/],
    [{ files: { 'webapps/ROOT.xml': { content: '' } } }, /not read by Jetty/],
    [{ files: { 'x/a': { content: '' }, x: { content: '' } } }, /x\/a.*not below the file x/],
    [{ files: { a: {} } }, /jetty_app\.files\.a: expected exactly one of content/],
    [{ files: { a: { content: '', path: 'x' } } }, /expected exactly one of content/],
    [{ files: { a: { path: '/etc/passwd' } } }, /relative path/],
    [{ files: { a: { shared: '../x' } } }, /'\.\.'/],
    [
      { files: { a: { shared: 'x' }, b: { shared: 'x' } } },
      /files\.b\.shared: expected a file that no other entry links to/,
    ],
    [
      { ini: ['jetty.http.port=80'] },
      /ini\[0\]: expected a line that does not set jetty\.http\.port.*jetty_app\.ports/,
    ],
    [{ ini: ['--module=x', ' jetty.base ?= /x'] }, /ini\[1\]: expected a line that does not set jetty\.base/],
    [{ ini: ['a\nb'] }, /text on one line/],
  ]
  for (const [own, message] of refused)
    await t.rejects(
      planOf(own).catch((error: Error & { problems?: (Error & { source?: object })[]; hint?: string }) => {
        const all = [error, ...(error.problems ?? [])].map(
          (one) => `${one.message} ${(one as typeof error).hint ?? ''}`,
        )
        throw new Error(all.join('\n'))
      }),
      { message },
      JSON.stringify(own),
    )
})

t.test('PHP: requests the new release with the domain and headers of the health check before the switch', async (t) => {
  const cases: [object, { names: string | null; headers: object }][] = [
    [{}, { names: null, headers: {} }],
    [{ domains: ['*.app.test', 'www.app.test'] }, { names: 'www.app.test', headers: {} }],
    [
      { domains: ['www.app.test'], health: { host: 'a.test:81' } },
      { names: 'a.test:81', headers: {} },
    ],
    [{ health: { headers: { HOST: 'h.test', 'X-A': '1' } } }, { names: 'h.test', headers: { 'X-A': '1' } }],
  ]
  for (const [own, { names, headers }] of cases) {
    const { resources } = await planned('php-app', { php_app: { app_name: 'app', ...own }, ...app() })
    const [visitors = '', preview = ''] = String(
      find(resources, 'file', '/etc/nginx/sites-available/app')?.content,
    ).split('# A release is asked here')
    t.notMatch(visitors, 'HTTP_HOST', 'visitors say their own')
    if (names === null) t.notMatch(preview, 'HTTP_HOST')
    else {
      t.match(preview, `fastcgi_param HTTP_HOST ${names};`)
      t.match(preview, `fastcgi_param SERVER_NAME ${names.replace(':81', '')};`)
    }
    const requestLog = find(resources, 'smoke_test', 'before it goes live')?.requests as { headers: object }[]
    t.strictSame({ ...requestLog[0]?.headers }, { Host: 'app.next.invalid', ...headers })
  }
  const refused = planned('php-app', { php_app: { app_name: 'app', health: { host: 'a$b' } }, ...app() })
  await t.rejects(refused, { message: /php_app\.health\.host: expected a host name/ })
})

t.test('PHP: uses the installed version, else the one that setup installs', async (t) => {
  const pool = async (host: HostReader | null, json: JsonObject = {}) =>
    find(
      (await planned('php-app', { ...app(), php_app: { app_name: 'app', ...json } }, { host })).resources,
      'file',
      'pool.d',
    )
  const path = '/etc/php/8.2/fpm/pool.d/app.conf'
  const later = (await pool(null))?.path as ReferenceParts<string>
  t.equal(later.provider, 'versioned_program /usr/sbin/php-fpm')
  t.equal(later.transform?.('8.2' as never), path)
  const packages = async (host: HostReader | null) =>
    find((await planned('php-app', app(), { host, event: 'setup' })).resources, 'package')?.names
  t.strictSame(await packages(new VirtualHost()), ['git', 'php-fpm'])
  const installed = new VirtualHost().given('/usr/sbin/php-fpm8.4', '').given('/usr/sbin/php-fpm7.4', '')
  t.match(await pool(installed), { path: path.replace('8.2', '8.4') })
  t.strictSame(await packages(installed), ['git', 'php8.4-fpm'])
  t.match(await pool(installed, { fpm: { version: '7.4' } }), { path: path.replace('8.2', '7.4') })
  const text = (await pool(null, { fpm: { pm: 'ondemand', settings: { memory_limit: '64M' } } }))?.content
  t.match(
    text,
    'pm = ondemand\npm.max_children = 10\ncatch_workers_output = yes\nphp_admin_value[memory_limit] = 64M\n',
  )
})

t.test('PHP: the note of the first hot update depends on what nginx serves', async (t) => {
  const json = { ...app(), php_app: { app_name: 'app', document_root: 'public' } }
  const site = '/etc/nginx/sites-available/app'
  const notes = async (root: string | null, mode = 'hot') => {
    const host = new VirtualHost()
    if (root !== null) host.given(site, `server {\n    root ${root};\n}\n`)
    const plan = await planned('php-app', { ...json, php_app: { ...json.php_app, update_mode: mode } }, { host })
    t.strictSame(plan.warnings, [], 'no operator must act on that')
    return plan.notes
  }
  t.match(await notes(null), [/link \/srv\/www\/app\/active, so nginx and php-fpm reload once/])
  t.match(await notes('/srv/www/app/releases/000001-1a2b3c4d/public'), [/reload once/])
  t.strictSame(await notes('/srv/www/app/active/public'), [])
  t.strictSame(await notes(null, 'cold'), [])
})

t.test('a build creates a release, and changes nothing else', async (t) => {
  // The check of the program of the migration.
  const migration = ['host_program']
  const cases: [role: string, json: JsonObject, types: readonly string[]][] = [
    [
      'port-app',
      { port_app: { app_name: 'app', command: '%{port}', build_command: 'make' } },
      ['execute', ...migration],
    ],
    ['port-app', { port_app: { app_name: 'app', command: '%{port}' } }, migration],
    [
      'jetty-app',
      { jetty_app: { app_name: 'app', war: { file: '/srv/a.war' } } },
      ['directory', 'remote_file', 'execute', 'host_program', ...migration],
    ],
    [
      'jetty-app',
      { jetty_app: { app_name: 'app', war: { path: 'a.war' } } },
      ['execute', 'host_program', ...migration],
    ],
    ['php-app', { php_app: { app_name: 'app', build_command: 'composer install' } }, ['execute', ...migration]],
  ]
  const always = app({ migrate: true, migrate_command: 'migrate', always_build_on_deploy: true })
  for (const [role, own, types] of cases) {
    const { resources } = await planned(role, { ...own, ...always }, { event: 'build' })
    const found = resources.map(({ type }) => type)
    t.strictSame(
      found.filter((type) => type !== 'git_release').sort(),
      ['directory', 'directory', 'directory', ...types].sort(),
      role,
    )
    const deploy = (await planned(role, { ...own, ...always })).resources
    for (const one of resources)
      t.strictSame(
        JSON.stringify(deploy.find(({ name }) => name === one.name)?.props),
        JSON.stringify(one.props),
        `${role}: ${one.name} is the one of the deploy`,
      )
    const both = await planned(role, { ...own, ...always }, { event: 'build,deploy' })
    t.strictSame(both.resources.map(({ name }) => name).sort(), deploy.map(({ name }) => name).sort())
  }
})

t.test('on a host with a current release, configure adds nothing to the deploy', async (t) => {
  const own: Record<string, JsonObject> = {
    'port-app': { port_app: { app_name: 'app', command: '%{port}' } },
    'jetty-app': { jetty_app: { app_name: 'app', war: { file: '/srv/a.war' } } },
    'php-app': { php_app: { app_name: 'app' } },
  }
  const release = '/srv/www/app/releases/000001-1a2b3c4d'
  const host = new VirtualHost()
    .given(`${release}/.converge/complete`, '')
    .given('/srv/www/app/current', { link: release })
    .given('/srv/www/app/active', { link: release })
    .given('/etc/nginx/sites-available/app', 'server {\n    root /srv/www/app/active;\n}\n')
  for (const [role, json] of Object.entries(own)) {
    const names = async (event: string) =>
      (await planned(role, { ...json, ...app() }, { event, host })).resources.map(({ name }) => name)
    t.ok((await names('configure')).length > 0, `${role}: there is a current release`)
    t.strictSame(await names('setup,deploy,configure'), await names('setup,deploy'), role)
  }
})

t.test('creates directories that releases link to, and a missing file stops the deploy before the build', async (t) => {
  const names = {
    create_dirs_before_symlink: ['spool/in', 'media.example.com'],
    symlink_before_migrate: {
      uploads: 'public/uploads',
      'config/.env': '.env',
      'conf.d/': 'conf.d',
      'media.example.com': 'media',
      '.well-known': 'public/.well-known',
      'python3.11': 'python',
      master_key: 'config/master.key',
    },
  }
  const roles = {
    'port-app': { port_app: { app_name: 'app', command: '%{port}', build_command: 'make' } },
    'jetty-app': { jetty_app: { app_name: 'app', war: { path: 'a.war' } } },
    'php-app': { php_app: { app_name: 'app' } },
  }
  const shared = '/srv/www/app/shared'
  for (const [role, own] of Object.entries(roles))
    for (const event of ['deploy', 'build']) {
      const { resources } = await planned(role, { ...own, ...app(names) }, { event })
      const directories = resources.flatMap(({ type, key }) =>
        type === 'directory' && key.startsWith(shared) ? [key] : [],
      )
      t.strictSame(
        directories,
        ['', '/spool/in', '/media.example.com', '/config'].map((name) => `${shared}${name}`),
        role,
      )
      t.match(find(resources, 'link_sources'), {
        files: ['config/.env', 'master_key'],
        directories: ['uploads', 'conf.d', 'media.example.com', '.well-known', 'python3.11'],
        mode: '0770',
        owner: 'deploy',
      })
      const order = resources.map(({ type }) => type)
      t.ok(order.indexOf('link_sources') < order.indexOf('git_release'))
      t.match(find(resources, 'git_release')?.links, { 'conf.d': 'conf.d', uploads: 'public/uploads' })
    }
})

t.test('doctor names the owner of a missing linked file only if it is another account', async (t) => {
  const json = { php_app: { app_name: 'app' }, ...app({ symlink_before_migrate: { 'site.conf': 'site.conf' } }) }
  const role = await catalogue.roles['php-app']?.load()
  const fix = async (uid: number) => {
    const host = new VirtualHost()
    const checks = role?.checks?.(roleNode(json, { facts: { uid } }), host, ['php-app']) ?? []
    const found = await checks.find(({ what }) => what.startsWith('linked file'))?.run()
    return found?.remedy
  }
  const where = 'where it is a directory, list it in deploy.app.create_dirs_before_symlink'
  t.equal(await fix(0), `create it for deploy:www-data; ${where}`)
  t.equal(await fix(1000), `create it; ${where}`)
})

t.test('an app and the front end share nginx in each event', async (t) => {
  const json = { php_app: { app_name: 'app', domains: ['app.test'] }, ...app() }
  const host = new VirtualHost().given('/srv/www/app/releases/000001-1a2b3c4d/.converge', null)
  host.given('/srv/www/app/active', { link: '/srv/www/app/releases/000001-1a2b3c4d' })
  for (const roles of ['php-app,frontend', 'frontend,php-app'])
    for (const event of ['setup', 'deploy', 'configure', 'start', 'restart', 'stop', 'shutdown', 'undeploy']) {
      const { resources } = await planned(roles, json, { event, host })
      t.equal(resources.filter(({ name }) => name === 'service nginx').length <= 1, true, `${event} of ${roles}`)
      if (event !== 'stop') continue
      const reload = resources.find(({ name }) => /^service_reload nginx for the site/.test(name))
      t.match(reload?.props, { start: false }, `${roles}: nginx, once stopped, stays down`)
    }
})

t.test('the events of one run follow each other, whatever is on the host', async (t) => {
  const json = { port_app: { app_name: 'app', command: 'bin/serve %{port}' }, ...app() }
  const host = new VirtualHost()
  const [into, id] = ['/srv/www/app/releases', '000001-aaaaaaaa']
  host.given(`${into}/${id}/.converge/complete`, '').given('/srv/www/app/current', { link: `${into}/${id}` })
  const typesOf = async (event: string, more = {}) => {
    const { resources } = await planned('port-app', { ...json, ...more }, { event, host })
    return resources.map(({ type }) => type)
  }
  t.ok((await typesOf('stop,configure')).includes('stop_record'))
  t.ok((await typesOf('stop,start,configure')).includes('port_swap'))
  host.record('stopped app', JSON.stringify({ by: 'ann', at: '2026-01-01T00:00:00Z' }))
  t.notOk((await typesOf('deploy', { converge: { deployed_apps: ['other'] } })).includes('port_swap'))
  t.ok((await typesOf('deploy', {})).includes('port_swap'), 'a deploy of the app starts it')
  t.ok((await typesOf('start,configure')).includes('port_swap'))
})

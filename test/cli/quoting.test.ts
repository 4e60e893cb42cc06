/** Tests how attribute values are written into files: unchanged, or rejected with key, file and line. */
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

type Json = { readonly [key: string]: unknown }

const client: Json = { zeo: { address: '127.0.0.1:8001' }, instance_count: 1 }
const scm = { repository: '/nowhere/repository.git' }

/** Returns the files that a role would write; `text` is the content of the attributes file. */
async function rendered(t: Test, role: string, text: string, options: readonly string[] = [], name = 'site.json') {
  const sandbox = new Sandbox(t)
  sandbox.write({ [name]: text })
  const { status, stdout, stderr } = await sandbox.converge(['render', '--role', role, '--json', name, ...options])
  t.equal(status, 0, stderr)
  const { files } = JSON.parse(stdout) as { files: Record<string, { content: string; mode?: string }> }
  return (end: string) => {
    const found = Object.entries(files).find(([path]) => path.endsWith(end))
    t.ok(found, `${end} is written`, { files: Object.keys(files) })
    return found?.[1] ?? { content: '' }
  }
}

/** Checks that every command that starts a run or inspects a host rejects the attributes, and writes nothing. */
async function refused(t: Test, role: string, text: string, message: RegExp, options: readonly string[] = []) {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'site.json': text })
  const before = sandbox.snapshot()
  for (const command of [['deploy'], ['plan'], ['render']]) {
    const args = [...command, '--role', role, '--json', 'site.json', ...options]
    const { status, stderr } = await sandbox.converge(args)
    t.equal(status, 2, `${command}: ${stderr}`)
    t.match(stderr, message, `${command}`)
    t.notMatch(stderr, 'hunter2', 'the value is not shown')
  }
  t.strictSame(sandbox.snapshot(), before, 'nothing is written')
}

const site = (environment: Json) =>
  JSON.stringify({ deploy: { plone_instances: { scm, environment } }, plone_instances: client })

t.test('escapes the environment of Zope clients for buildout and for zope.conf', async (t) => {
  const file = await rendered(
    t,
    'zeo-client',
    site({
      ...{ PLAIN: 'x', PASSWORD: 'pa$word', BRACES: 'a${b}c', TWICE: '$$', BLANKS: '  two  ', HASH: '#start' },
      ...{ PERCENT: '50% off %(x)s', LINES: 'one\ntwo', QUOTES: 'say "hi" now' },
    }),
  )
  t.match(file('deploy.cfg').content, '    PASSWORD pa$$word\n')
  t.match(file('deploy.cfg').content, '    BRACES a$${b}c\n')
  t.match(file('deploy.cfg').content, '    TWICE $$$$\n')
  t.match(file('deploy.cfg').content, '    BLANKS $converge_nothing  two  $converge_nothing\n')
  t.notMatch(file('deploy.cfg').content, 'LINES', 'zope.conf cannot hold lines: the process has it from supervisor')
  const program = file('plone_instances-client1.conf').content
  t.match(program, 'BRACES="a${b}c"')
  t.match(program, 'BLANKS="  two  "')
  t.match(program, 'LINES="one\n %(here).0stwo"')
  t.match(program, 'PERCENT="50%% off %%(x)s"')
})

t.test('refuses a value that supervisor cannot hold', async (t) => {
  for (const value of ['"hunter2"', 'it\'s "hunter2" x', 'hunter2\r\nx'])
    await refused(
      t,
      'zeo-client',
      `{"plone_instances": {"zeo": {"address": "127.0.0.1:8001"}},\n "deploy": {"plone_instances": {"scm": {"repository": "/x"},\n "environment": {"SECRET": ${JSON.stringify(value)}}}}}`,
      /^error: site\.json:3:28: deploy\.plone_instances\.environment\.SECRET cannot be written: supervisor cannot hold /m,
    )
})

t.test('refuses a value that php-fpm cannot hold', async (t) => {
  const text =
    '{"php_app": {"app_name": "shop"},\n"deploy": {"shop": {"scm": {"repository": "/x"},\n"environment_variables": {"A": "$hunter2"}}}}'
  await refused(
    t,
    'php-app',
    text,
    /site\.json:3:\d+: deploy\.shop\.environment_variables\.A cannot be written: php-fpm cannot hold/,
  )
})

t.test('writes a database password with special characters of zope.conf', async (t) => {
  const relstorage = { enable_relstorage: true, instance_count: 1 }
  const text = (password: string) =>
    JSON.stringify({
      plone_instances: { ...relstorage, relstorage: { db: { name: 'plone', password } } },
      deploy: { plone_instances: { scm } },
    })
  t.match((await rendered(t, 'zeo-client', text('pa$word')))('deploy.cfg').content, 'password = pa$$word\n')
  await refused(
    t,
    'zeo-client',
    text('hunter2 '),
    /relstorage\.db\.password cannot be written: buildout cannot hold a blank/,
  )
})

t.test('refuses a blank in --prefix for a buildout, and quotes it elsewhere', async (t) => {
  const prefix = ['--prefix', 'my site']
  await refused(
    t,
    'zeo-client',
    site({}),
    /--prefix: converge\.prefix: a buildout cannot run in .*: the #! line/,
    prefix,
  )
  const file = await rendered(
    t,
    'port-app',
    JSON.stringify({ port_app: { app_name: 'a', command: 'bin/serve %{port}' }, deploy: { a: { scm } } }),
    prefix,
  )
  t.match(file('supervisord.conf').content, '\nfiles = conf.d/*.conf\n', 'a pattern would be split at its blank')
  t.match(
    file('conf.d/nginx.conf').content,
    /\ncommand=\/usr\/sbin\/nginx -c '\/.*\/my site\/etc\/nginx\/nginx\.conf'\n/,
  )
  t.match(file('etc/nginx/nginx.conf').content, /\n {4}include "\/.*\/my site\/etc\/nginx\/conf\.d\/\*\.conf";\n/)
  t.match(file('sites-available/a').content, /if \(-f "\/.*my site.*\/a\.html"\) \{/)
})

t.test('refuses a blank in deploy_to for a buildout', async (t) => {
  const text =
    '{"deploy": {"plone_instances": {"scm": {"repository": "/x"},\n"deploy_to": "/srv/my site"}},\n"plone_instances": {"zeo": {"address": "127.0.0.1:8001"}}}'
  await refused(
    t,
    'zeo-client',
    text,
    /^error: site\.json:2:14: deploy\.plone_instances\.deploy_to: a buildout cannot run in \/srv\/my site/m,
  )
})

t.test('refuses characters in a path that no configuration file can hold', async (t) => {
  for (const sign of ['%', '$', '"', "'", ':', ';', '#', '*', '[', '{', '\\', '`']) {
    const text = JSON.stringify({
      port_app: { app_name: 'a', command: 'bin/serve %{port}' },
      deploy: { a: { scm, deploy_to: `/srv/a${sign}b` } },
    })
    const sandbox = new Sandbox(t)
    sandbox.write({ 'site.json': text })
    const { status, stderr } = await sandbox.converge(['render', '--role', 'port-app', '--json', 'site.json'])
    t.equal(status, 2, sign)
    t.match(stderr, /site\.json:1:\d+: deploy\.a\.deploy_to: expected a path without/)
  }
})

t.test('every role gets the variables of the console', async (t) => {
  const own = { environment_variables: { USER_ID: '1', BOTH: 'console' }, environment: { BOTH: 'custom JSON' } }
  const listed = {
    ...own,
    environment_variables: [
      { Key: 'USER_ID', Value: '1', Secure: false },
      { Key: 'BOTH', Value: 'console' },
    ],
  }
  for (const given of [own, listed]) {
    const zope = await rendered(
      t,
      'zeo-client',
      JSON.stringify({ deploy: { plone_instances: { scm, ...given } }, plone_instances: client }),
    )
    t.match(zope('deploy.cfg').content, '    BOTH custom JSON\n')
    t.match(zope('plone_instances-client1.conf').content, 'USER_ID="1"')
    const php = await rendered(
      t,
      'php-app',
      JSON.stringify({ php_app: { app_name: 'a' }, deploy: { a: { scm, ...given, document_root: '/web/' } } }),
    )
    t.match(php('/a.conf'), { content: /\nenv\[BOTH\] = 'custom JSON'\nenv\[USER_ID\] = 1\n/, mode: '0600' })
    t.match(php('sites-available/a').content, /\n {4}root \/srv\/www\/a\/active\/web;\n/)
  }
  const plain = await rendered(
    t,
    'php-app',
    JSON.stringify({ php_app: { app_name: 'a', document_root: 'own' }, deploy: { a: { scm, document_root: 'web' } } }),
  )
  t.equal(plain('/a.conf').mode, '0644', 'nothing secret is in it')
  t.match(plain('sites-available/a').content, /\n {4}root \/srv\/www\/a\/active\/own;\n/)
})

t.test('a number in an environment keeps the text of the file', async (t) => {
  const numbers =
    '"BIG": 12345678901234567890, "VERSION": 1.10, "EXPONENT": 1e21, "PLAIN": 5, "YES": true, "NONE": null'
  const json = `{"deploy": {"plone_instances": {"scm": {"repository": "/x"}, "environment": {${numbers}}}}, "plone_instances": {"zeo": {"address": "127.0.0.1:8001"}, "instance_count": 1}}`
  const patch = `[{"op": "add", "path": "/deploy", "value": {"plone_instances": {"scm": {"repository": "/x"}, "environment": {${numbers}}}}}, {"op": "add", "path": "/plone_instances", "value": {"zeo": {"address": "127.0.0.1:8001"}, "instance_count": 1}}]`
  for (const [name, text] of [
    ['a.json', json],
    ['a.yaml', json],
    ['commented.json', `// x\n${json}`],
    ['patch.json', patch],
  ] as const) {
    const { content } = (await rendered(t, 'zeo-client', text, [], name))('plone_instances-client1.conf')
    t.match(content, 'BIG="12345678901234567890",EXPONENT="1e21"', name)
    t.match(content, 'PLAIN="5"')
    t.match(content, 'VERSION="1.10",YES="true"')
    t.notMatch(content, 'NONE')
  }
})

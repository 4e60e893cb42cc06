/** Tests stack files: the loaded stack, and that all mistakes in a file are reported at once. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { loadStack, type StackOptions } from '../../../../core/fleet/stack/load.ts'
import { describeLocation, InvalidInput } from '../../../../core/model/errors.ts'
import { catalogue } from '../../../../recipes/catalogue.ts'
import { elf } from '../../../support/elf.ts'
import { scratch } from '../../../support/machine.ts'

const fixture = fileURLToPath(new URL('../../../../fixtures/stacks/plone/stack.yaml', import.meta.url))
const variables = { SHOP_TOKEN: 'sesame-open' }

/**
 * Writes files into a directory.
 * @returns the path of the first
 */
function written(t: Test, files: Readonly<Record<string, string>>): string {
  const directory = scratch(t)
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return join(directory, Object.keys(files)[0] ?? '')
}

/** Returns each problem as `line:column message [hint]`, and checks that none contains the value of `secret`. */
async function problems(path: string, options: StackOptions = {}): Promise<string[]> {
  try {
    await loadStack(path, options)
    return []
  } catch (error) {
    const all = error instanceof InvalidInput ? error.problems : [error as InvalidInput]
    return all.map(({ message, hint, source, usage }) => {
      const location = source === undefined ? '' : describeLocation(source).replace(path, '').replace(/^:/, '')
      return `${usage ? '' : 'internal: '}${location} ${message}${hint === undefined ? '' : ` [${hint}]`}`
    })
  }
}

const small = {
  name: 'small',
  layers: { app: { roles: ['zeo-client'] } },
  hosts: { one: { address: '10.0.0.1', layers: ['app'] } },
}

t.test('loads a whole stack', async (t) => {
  const stack = await loadStack(fixture, { variables })
  t.match(stack, { file: fixture, name: 'shop', environment: null, environments: ['staging', 'next'], warnings: [] })
  t.strictSame(
    stack.layers.map(({ name, title, roles, packages, automaticUpdates }) => [
      name,
      title,
      roles,
      packages,
      automaticUpdates,
    ]),
    [
      ['zeoserver', 'ZEO server', ['zeo-server'], ['zip'], false],
      ['plone_instances', 'Clients', ['zeo-client'], ['zip', 'poppler-utils'], undefined],
      ['frontend', 'Frontends', ['frontend'], [], true],
    ],
  )
  t.strictSame(
    stack.hosts.map(({ name }) => name),
    ['zeo1', 'plone1', 'plone2', 'plone3', 'web1', 'web2'],
  )
  t.strictSame(stack.hosts[4], {
    documents: [],
    name: 'web1',
    transport: 'ssh',
    address: '192.0.2.21',
    port: undefined,
    user: 'admin',
    identity: undefined,
    jump: undefined,
    sudo: true,
    layers: ['frontend'],
    cpus: undefined,
    backends: undefined,
    region: 'eu-central-1',
    zone: 'a',
    privateIp: '10.0.0.21',
    privateDnsName: '10.0.0.21',
    publicDnsName: undefined,
    ip: undefined,
    prefix: undefined,
    status: 'online',
  })
  t.match(stack.hosts[1], { cpus: 2, backends: 16, privateIp: '10.0.0.11' })
  t.match(stack.apps[0], {
    name: 'plone_instances',
    title: 'Shop',
    layers: null,
    deploy: {
      application: 'plone_instances',
      scm: { scm_type: 'git', known_hosts: /^git\.example\.com ssh-ed25519/ },
      environment: { LANG: 'C.UTF-8', SHOP_TOKEN: 'sesame-open' },
      migrate: true,
    },
  })
  t.strictSame(stack.health, {
    pages: [{ url: 'https://shop.example.com/', host: undefined, headers: {} }],
    status: { min: 200, max: 200 },
    command: undefined,
    environment: { CONVERGE_HEALTH_URL: 'https://shop.example.com/', CONVERGE_HEALTH_HOST: 'shop.example.com' },
    deadlineSeconds: 30,
    successes: 24,
  })
  t.ok(stack.secrets.includes('sesame-open'))
})

t.test('merges an environment over the stack', async (t) => {
  const staging = await loadStack(fixture, { variables, environment: 'staging' })
  t.match(staging, { name: 'shop-staging', environment: 'staging', health: null })
  t.strictSame(
    staging.hosts.map(({ name, address, cpus }) => [name, address, cpus]),
    [
      ['zeo1', '10.1.0.5', undefined],
      ['plone1', '10.1.0.11', 1],
      ['web1', '10.1.0.21', undefined],
    ],
  )
  t.match(staging.apps[0]?.deploy, { domains: ['staging.example.com'], scm: { revision: 'main' } })
  const next = await loadStack(fixture, { variables, environment: 'next' })
  t.match(next.apps[1]?.deploy, { scm: { revision: 'next' } })
  t.match(next.locate(['apps', 'zeoserver', 'scm', 'revision']), { file: fixture, line: 88 })
  t.strictSame(await problems(fixture, { variables, environment: 'stagin' }), [
    ' the stack has no environment stagin [did you mean staging?]',
  ])
})

t.test('reads JSON with comments, custom JSON in files, and keys in files', async (t) => {
  const path = written(t, {
    'stack.jsonc': `{
      // its name
      "name": "small", "layers": {"app": {"roles": ["zeo-client"], "attributes": ["layer.yaml", {"a": 1}]}},
      "hosts": {"one": {"address": "one.example.com", "layers": ["app"], "identity": "key", "sudo": "password"}},
      "apps": {"site": {"scm": {"repository": "/srv/site.git", "ssh_key": "key"},
        "ssl": {"certificate": "crt", "key": {"$file": "key"}}, "keep_releases": 3}},
      "custom_json": [{"op": "add", "path": "/plone_instances/per_cpu", "value": 1}],
    }`,
    'layer.yaml': 'plone_instances: { per_cpu: 3, secret: { $file: word } }\n',
    word: 'open-sesame\n',
    key: '-----BEGIN KEY-----\nabc\n-----END KEY-----\n',
    crt: '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n',
  })
  const stack = await loadStack(path)
  t.match(stack.apps[0]?.deploy, {
    scm: { scm_type: 'git', ssh_key: '-----BEGIN KEY-----\nabc\n-----END KEY-----\n' },
    ssl_support: true,
    ssl_certificate: /^-----BEGIN CERT/,
    ssl_certificate_key: /^-----BEGIN KEY/,
    keep_releases: 3,
  })
  t.match(stack.hosts[0], {
    identity: join(path, '../key'),
    sudo: 'password',
    privateIp: undefined,
    privateDnsName: 'one.example.com',
  })
  t.match(stack.layers[0]?.documents, [
    { name: 'layer.yaml', kind: 'host', value: { plone_instances: { per_cpu: 3, secret: 'open-sesame' } } },
    { name: `${path}: layers.app.attributes[1]`, kind: 'host', value: { a: 1 } },
  ])
  t.match(stack.documents, [{ name: `${path}: custom_json`, kind: 'stack', value: [{ op: 'add' }] }])
  t.ok(stack.secrets.includes('open-sesame'))
})

t.test('reports all mistakes at once, each with its location and a hint', async (t) => {
  const path = written(t, {
    'stack.yaml': `name: small
layers:
  app: { roles: [zeo-clint] }
  spare: {}
hosts:
  one: { address: 10.0.0.1, layers: [ap] }
  two: { address: 10.0.0.1, layers: [app], identity: nokey }
  three: { address: admin@10.0.0.300, layers: [] }
  four: { address: 10.0.0.4:2222, layers: [app], private_ip: inner, usr: ann }
apps:
  site: { domains: [a.example.com] }
  shop: { scm: { repository: /srv/shop.git }, ssl: { key: nokey }, layers: [spar] }
recipes: [norecipes]
`,
  })
  const roles = async () => ['zeo-client', 'base']
  t.strictSame((await problems(path, { roles })).sort(), [
    `11:9 apps.site has no repository [name the repository of its source: scm: { repository: … }]`,
    `12:47 apps.shop.ssl needs a certificate and its key`,
    `12:59 apps.shop.ssl.key: nokey cannot be read: no such file or directory [check that this path exists: ${join(path, '../nokey')}]`,
    `12:77 apps.shop.layers[0]: unknown layer spar [did you mean spare?]`,
    `13:11 recipes[0]: there is no norecipes [check that this path exists: ${join(path, '../norecipes')}]`,
    `3:18 layers.app.roles[0]: unknown role zeo-clint [did you mean zeo-client?]`,
    `6:38 hosts.one.layers[0]: unknown layer ap [did you mean app?]`,
    `7:19 hosts.two and hosts.one have one address, 10.0.0.1 port 22 [give each its own address; if they are one host, write one entry with the layers of both]`,
    `7:54 hosts.two.identity: nokey cannot be read: no such file or directory [check that this path exists: ${join(path, '../nokey')}]`,
    `8:21 hosts.three.address: "admin@10.0.0.300" is not a host address [write the account as user: admin]`,
    `8:47 hosts.three is in no layer [name the layers that it belongs to: layers: [app, spare]]`,
    `9:20 hosts.four.address: "10.0.0.4:2222" is not a host address [write the port as port: 2222]`,
    `9:62 hosts.four.private_ip: inner is no IP address [write a name as private_dns_name]`,
    `9:69 hosts.four.usr: unknown key [did you mean hosts.four.user?]`,
  ])
})

t.test('resolves Node programs beside the file and of an environment, and refuses invalid ones', async (t) => {
  const path = written(t, {
    'stack.yaml': `name: small
layers: { app: {} }
hosts: { one: { address: 10.0.0.1, layers: [app] } }
runtime: { arm64: bin/node, x64: ~/node }
environments:
  staging: { runtime: { x64: null, arm64: other } }
`,
  })
  const directory = join(path, '..')
  mkdirSync(join(directory, 'bin'))
  const program = (name: string, content: Uint8Array, mode = 0o755) => {
    writeFileSync(join(directory, name), content)
    chmodSync(join(directory, name), mode)
  }
  program('bin/node', elf({ machine: 183 }))
  program('other', elf({ machine: 183 }))
  program('node', elf({ machine: 62 }))
  const before = process.env.HOME
  t.teardown(() => {
    process.env.HOME = before
  })
  process.env.HOME = directory
  t.strictSame((await loadStack(path)).runtimes, { x64: join(directory, 'node'), arm64: join(directory, 'bin/node') })
  t.strictSame((await loadStack(path, { environment: 'staging' })).runtimes, { arm64: join(directory, 'other') })
  const none = written(t, { 'stack.json': JSON.stringify(small) })
  t.strictSame((await loadStack(none)).runtimes, {})

  program('node', elf({ machine: 183 }))
  t.strictSame(await problems(path), [
    '4:34 runtime.x64: ~/node is a program for arm64, not for x64 [name the program bin/node of a download for linux-x64]',
  ])
  program('node', Buffer.from('#!/bin/sh\n'))
  t.match(await problems(path), [/runtime\.x64: ~\/node is not a program for Linux \(ELF\)/])
  program('node', elf({ machine: 62 }), 0o644)
  rmSync(join(directory, 'bin/node'))
  t.strictSame((await problems(path)).sort(), [
    `4:19 runtime.arm64: bin/node cannot be read: no such file or directory [check that this path exists: ${join(directory, 'bin/node')}]`,
    `4:34 runtime.x64: ~/node is not executable [check that it is a Node program, then run chmod +x ${join(directory, 'node')}]`,
  ])
  const odd = written(t, {
    'stack.json': JSON.stringify({ ...small, runtime: { amd64: 'node', arm64: '.', x64: 22 } }),
  })
  t.match((await problems(odd)).sort(), [
    /runtime\.amd64: unknown key/,
    /runtime\.arm64: \. is not a file/,
    /runtime\.x64: 22 cannot be read/,
  ])
})

t.test('lists the keys where an unknown key is near none of them', async (t) => {
  const path = written(t, {
    'stack.json': JSON.stringify({
      ...small,
      $schema: 'x',
      firewall: {},
      'x-anchors': {},
      health: { url: 'http://10.0.0.1/', colour: 'red' },
      ssh: { forwarding: true },
      apps: { site: { scm: { repository: '/srv/x' }, ssl: { curves: 'y' } } },
    }),
  })
  t.match((await problems(path)).sort(), [
    /firewall: unknown key \[the keys are: name, region, layers, hosts, apps, .*environments\]$/,
    /health\.colour: unknown key \[the keys are: .*\burl\b.*\]$/,
    /ssh\.forwarding: unknown key \[the keys are: .*\buser\b.*\]$/,
    /apps\.site\.ssl needs a certificate/,
    /apps\.site\.ssl\.curves: unknown key \[the keys are: certificate, key, chain\]$/,
  ])
})

t.test('refuses the name of a stack that cannot name a directory', async (t) => {
  for (const name of ['a/b', '..', '', 'x'.repeat(101)]) {
    const path = written(t, { 'stack.json': JSON.stringify({ ...small, name }) })
    t.match(await problems(path), [/^1:9 name: expected text without slashes, 100 letters at most, got/], name)
  }
  const path = written(t, { 'stack.json': JSON.stringify({ ...small, name: 'Our shop (new)' }) })
  t.equal((await loadStack(path)).name, 'Our shop (new)')
})

t.test('looks roles up in the recipes of the stack', async (t) => {
  const path = written(t, { 'stack.json': JSON.stringify({ ...small, recipes: ['.'] }) })
  let requestLog: readonly string[] = []
  const roles = async (recipes: readonly string[]) => {
    requestLog = recipes
    return ['zeo-clients', 'web']
  }
  t.match(await problems(path, { roles }), [
    /layers\.app\.roles\[0\]: unknown role zeo-client \[did you mean zeo-clients/,
  ])
  t.strictSame(requestLog, [join(path, '..')])
})

t.test('refuses unknown keys and wrong types', async (t) => {
  const path = written(t, {
    'stack.json': `{"name": 7, "layer": {}, "layers": {"app": {"role": ["x"]}, "1": {}},
"hosts": {"one": {"adress": "a", "layers": "app", "port": 99999, "status": "up"}},
"apps": {"site": {"scm": {"repository": "/srv/x"}, "ssl": {"certificat": "x"}}}, "ssh": {"sudo": "yes"}, "helth": {}}`,
  })
  const found = await problems(path)
  for (const expected of [
    /^1:13 layer: unknown key \[did you mean layers\?\]/,
    /^1:45 layers\.app\.role: unknown key \[did you mean layers\.app\.roles\?\]/,
    /^1:61 layers\.1: "1" is not a layer's name: letters/,
    /^2:19 hosts\.one\.adress: unknown key \[did you mean hosts\.one\.address\?\]/,
    / hosts\.one\.layers: expected a list, got "app" \[put it in brackets/,
    / hosts\.one\.port: expected a number up to 65535, got 99999/,
    / hosts\.one\.status: expected one of "online", "stopped", got "up"/,
    / apps\.site\.ssl\.certificat: unknown key \[did you mean apps\.site\.ssl\.certificate\?\]/,
    / ssh\.sudo: expected true, false or 'password', got "yes"/,
    / helth: unknown key \[did you mean health\?\]/,
    / apps\.site\.ssl needs a certificate and its key/,
  ])
    t.ok(
      found.some((one) => expected.test(one)),
      `${expected} among ${found.join('\n')}`,
    )
  // The missing address is not reported as well, since its misspelt key is.
  t.equal(found.length, 11, found.join('\n'))
})

t.test('names a missing file or variable, without a value', async (t) => {
  const path = written(t, {
    'stack.json': JSON.stringify({
      ...small,
      apps: {
        site: {
          scm: { repository: 'https://x/y', password: { $env: 'NO_SUCH_VARIABLE' } },
          environment: {
            A: { $file: 'nofile' },
            B: { $env: 'EMPTY', and: 'more' },
            C: { $env: 'EMPTY' },
            D: { $env: 'SET' },
          },
        },
      },
    }),
  })
  const found = await problems(path, { variables: { EMPTY: '', SET: 'open-sesame', and: 'x' } })
  t.equal(found.length, 4, found.join('\n'))
  t.match(
    found.join('\n'),
    /scm\.password: the environment variable NO_SUCH_VARIABLE is not set \[export NO_SUCH_VARIABLE=/,
  )
  t.match(found.join('\n'), /environment\.A: nofile cannot be read: no such file or directory/)
  t.match(
    found.join('\n'),
    /environment\.B: invalid reference to a value outside the stack file: \$env cannot have "and" beside it \[write one of \{"\$file"/,
  )
  t.match(found.join('\n'), /environment\.C: the environment variable EMPTY is empty/)
  t.notMatch(found.join('\n'), /sesame/)
})

t.test('an invalid reference is reported with what is wrong about it', async (t) => {
  const references = {
    EMPTY: { $env: '' },
    NUMBER: { $file: 1 },
    ZERO: { $file: 'a\0b' },
    UNKNOWN: { $age: 'secrets.age', field: 'a' },
    KEY: { $sops: 'secrets.yaml', key: 7 },
    PART: { $sops: 'secrets.yaml', key: ['a', ''] },
    TEXT: { $command: 'pass show' },
    NOTHING: { $command: [] },
  }
  const reasons = {
    EMPTY: '$env must be a text that is not empty',
    NUMBER: '$file must be a text that is not empty',
    ZERO: '$file contains a zero byte',
    UNKNOWN: '$age cannot have "field" beside it',
    KEY: 'key must be a text that is not empty',
    PART: 'each part of key must be a text that is not empty',
    TEXT: '$command must be a list of texts: the program and its arguments',
    NOTHING: 'the program of $command must be a text that is not empty',
  }
  const apps = { site: { scm: { repository: 'https://x/y' }, environment: references } }
  const found = (await problems(written(t, { 'stack.json': JSON.stringify({ ...small, apps }) }))).join('\n')
  for (const [name, reason] of Object.entries(reasons))
    t.ok(found.includes(`environment.${name}: invalid reference to a value outside the stack file: ${reason} [`), found)
})

t.test('an error about a secret in a wrong place does not print it', async (t) => {
  const path = written(t, {
    'stack.json': JSON.stringify({
      ...small,
      hosts: {
        one: { address: { $env: 'SECRET' }, port: { $env: 'SECRET' }, layers: ['app'], private_ip: { $file: 'word' } },
        two: { address: 'two', layers: [{ $env: 'SECRET' }] },
      },
    }),
    word: 'open sesame',
  })
  const wrong = await problems(path, { variables: { SECRET: 'abracadabra '.repeat(9) } })
  t.match(wrong, [
    /hosts\.one\.address: "\*{8}" is not a host address/,
    /hosts\.one\.port: expected a number, got a text that is not shown$/,
    /hosts\.one\.private_ip: \*{8} is no IP address/,
    /hosts\.two\.layers\[0\]: unknown layer \*{8} \[there are: app\]$/,
  ])
  t.equal(wrong.length, 4)
  const right = JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')) }).replace('"port":{"$env":"SECRET"},', '')
  writeFileSync(path, right)
  const found = (await problems(path, { variables: { SECRET: 'abra cadabra' } })).join('\n')
  t.match(found, /hosts\.one\.address: .* is not a host address/)
  t.match(found, /hosts\.two\.layers\[0\]: unknown layer/)
  t.match(found, /hosts\.one\.private_ip: .* is no IP address/)
  t.notMatch(found, /abra|sesame/)
})

t.test('values that identify the stack are not secret, whatever their source', async (t) => {
  const path = written(t, {
    'stack.json': JSON.stringify({
      name: { $env: 'NAME' },
      layers: small.layers,
      hosts: { one: { address: { $env: 'HOST' }, layers: ['app'] } },
      ssh: { user: { $env: 'ACCOUNT' } },
      apps: {
        production: {
          domains: [{ $env: 'DOMAIN' }],
          scm: { repository: { $env: 'URL' }, revision: { $env: 'COMMIT' }, password: { $env: 'WORD' } },
          environment: { COMMIT: { $env: 'COMMIT' }, STAGE: { $env: 'STAGE' }, GREETING: { $env: 'GREETING' } },
        },
      },
    }),
  })
  const variables = {
    NAME: 'shop',
    HOST: 'one.test',
    URL: 'https://git.test/shop.git',
    COMMIT: 'a'.repeat(40),
    WORD: 'open-sesame',
    STAGE: 'production',
    GREETING: 'good morning',
    ACCOUNT: 'deployer',
    DOMAIN: 'shop.test',
  }
  const { secrets } = await loadStack(path, { variables })
  t.strictSame([...secrets].sort(), ['good morning', 'https://git.test/shop.git', 'open-sesame'])
})

t.test('refuses files that are not stacks', async (t) => {
  const list = written(t, { 'stack.json': '[]' })
  t.strictSame(await problems(list), [' a stack must be an object [write { "name": …, "layers": …, "hosts": … }]'])
  t.match(await problems(written(t, { 'stack.yaml': '- name: small\n' })), [/^ a stack must be an object \[/])
  for (const text of ['', '# nothing yet\n', '---\n', 'small\n', '7'])
    t.match(await problems(written(t, { 'stack.yaml': text })), [/^1:1 a stack must be an object \[/], text)
  t.match(await problems('/nonexistent/stack.yaml'), [
    /the stack file \/nonexistent\/stack\.yaml cannot be read: no such file/,
  ])
  const broken = written(t, { 'stack.yaml': 'name: "x\nlayers: {' })
  t.match(await problems(broken), [/./])
  const script = written(t, { 'stack.ts': '' })
  t.match(await problems(script), [/this command reads only JSON and YAML/])
  t.match(await problems(script, { loadModule: async () => ({}) }), [
    /the default export is not a stack \[export default defineStack/,
  ])
  t.equal((await loadStack(script, { loadModule: async () => ({ default: small }) })).name, 'small')
  const own: Record<string, unknown> = { ...small }
  own.layers = own
  const stackThatThrows = (thrown: unknown) => ({
    ...small,
    get region() {
      throw thrown
    },
  })
  const infinite = { ...small, hosts: { one: { ...small.hosts.one, port: Number.POSITIVE_INFINITY } } }
  for (const value of [
    own,
    { ...small, region: 1n },
    { ...small, region: Number.NaN },
    infinite,
    stackThatThrows(new Error('no')),
    stackThatThrows(1),
  ])
    t.match(await problems(script, { loadModule: async () => ({ default: value }) }), [
      /the default export must contain plain data only: /,
    ])
  t.match(await problems(script, { loadModule: async () => ({ default: Promise.resolve(small) }) }), [
    /the default export is not a stack/,
  ])
})

t.test('reads numbers as text, and refuses those that are not valid values', async (t) => {
  const path = written(t, {
    'stack.yaml': `name: 2024
layers: { app: {} }
hosts:
  one: { address: a.test, layers: [app], user: 1000, zone: 1 }
apps:
  site:
    scm: { repository: /srv/site.git, revision: 20240501 }
    environment: { PORT: 8080, RATIO: 0.5, DEBUG: true }
`,
  })
  const stack = await loadStack(path)
  t.match(stack, { name: '2024', hosts: [{ user: '1000', zone: '1' }] })
  t.match(stack.apps[0]?.deploy, {
    scm: { revision: '20240501' },
    environment: { PORT: 8080, RATIO: 0.5, DEBUG: true },
  })
  const other = written(t, {
    'stack.yaml': `name: small
layers: { app: {} }
hosts:
  one: { address: 12, layers: [app], identity: 7, jump: 8 }
apps:
  site:
    scm: { repository: /srv/site.git, revision: 2.0 }
    environment: { A: 1.10, B: 0755, C: 1e3, D: &d 3.0, E: *d, F: 12345678901234567890 }
    database: { password: 0123 }
  shop: { scm: { repository: /srv/shop.git, revision: 3.10 } }
custom_json: { plone_instances: { per_cpu: 2.0 } }
`,
  })
  t.strictSame((await problems(other)).sort(), [
    '4:19 hosts.one.address: "12" is not a host address [write an IPv4 or IPv6 address, or a DNS name]',
    `4:48 hosts.one.identity: 7 cannot be read: no such file or directory [check that this path exists: ${join(other, '../7')}]`,
  ])
})

t.test('a number in place of text keeps the text of the file', async (t) => {
  const path = written(t, {
    'stack.yaml': `name: small
layers: { app: { attributes: more.yaml } }
hosts: { one: { address: 10.0.0.1, layers: [app], zone: 0123456, port: 0x16 } }
apps:
  site:
    scm: { repository: /srv/site.git, revision: 2.0, password: 017653.10 }
    environment: { A: 1.10, B: 0755, C: 1e3, D: &d 3.0, E: *d, F: 12345678901234567890, G: 0o17 }
    database: { password: 0123 }
  shop: { scm: { repository: /srv/shop.git, revision: 3.10 } }
custom_json: { plone_instances: { per_cpu: 2.0 }, deploy: { site: { scm: { user: 1e3 }, domains: [1.50, 007] } } }
environments:
  production:
    apps: { shop: { scm: { revision: 4.0 } } }
`,
    'more.yaml': 'deploy: { shop: { environment: { H: 1.30, I: 0x1F } } }\n',
  })
  const schemas = await catalogue.schemas()
  const stack = await loadStack(path, { environment: 'production', schemas: () => schemas })
  const [site, shop] = stack.apps
  t.match(stack.hosts, [{ zone: '0123456', port: 22 }])
  t.match(site?.deploy, {
    scm: { revision: '2.0', password: '017653.10' },
    environment: { A: '1.10', B: '0755', C: '1e3', D: '3.0', E: '3.0', F: '12345678901234567890', G: '0o17' },
    database: { password: '0123' },
  })
  t.match(shop?.deploy, { scm: { revision: '4.0' } })
  t.match(stack.documents, [
    {
      value: { plone_instances: { per_cpu: 2 }, deploy: { site: { scm: { user: '1e3' }, domains: ['1.50', '007'] } } },
    },
  ])
  t.match(stack.layers, [{ documents: [{ value: { deploy: { shop: { environment: { H: '1.30', I: '0x1F' } } } } }] }])
})

t.test('reads YAML words, anchors, merge keys and foreign line ends', async (t) => {
  const path = written(t, {
    'stack.yaml': [
      '\ufeffname: small',
      'x-common: &common { layers: [app], user: ann, sudo: false }',
      'layers: { app: { automatic_updates: Yes } }',
      'hosts:',
      '  one: { <<: *common, address: 10.0.0.1, zone: 2024-01-02 }',
      '  two: { <<: *common, address: 10.0.0.2, sudo: no }',
      'ssh: { sudo: maybe }',
      '',
    ].join('\r\n'),
  })
  t.strictSame(await problems(path), [
    '3:37 layers.app.automatic_updates: expected true or false, got "Yes" [Yes is a text: write true]',
    '6:48 hosts.two.sudo: expected true, false or \'password\', got "no" [no is a text: write false]',
    `7:14 ssh.sudo: expected true, false or 'password', got "maybe" [Whether sudo is used to become root: true, false, or 'password' where it asks for one. Default: true, but for root, and for a host with a prefix]`,
  ])
  const text = readFileSync(path, 'utf8')
    .replace(/Yes|maybe/g, 'true')
    .replace('sudo: no', 'sudo: password')
  writeFileSync(path, text)
  t.match((await loadStack(path)).hosts, [
    { user: 'ann', sudo: false, zone: '2024-01-02' },
    { user: 'ann', sudo: 'password' },
  ])
})

t.test('a wrong type or a missing value does not hide other mistakes', async (t) => {
  const path = written(t, {
    'stack.yaml': `layers:
  app: { roles: [none], packages: zip }
  web: { roles: [none] }
hosts:
  one: { address: 10.0.0.1, layers: [app, ap], port: many }
  two: { address: 10.0.0.2, layers: [app, ap] }
  three: { address: { $env: NONE }, layers: [ap] }
apps:
  site: { layers: [spare], scm: {} }
ssh: { sudo: yes, identity: nokey }
recipes: norecipes
custom_json: nofile.json
`,
  })
  const printed = (await problems(path, { roles: async () => ['zeo-client'], variables: {} })).map((one) =>
    one.replace(/ \[.*/s, ''),
  )
  t.strictSame(printed.sort(), [
    ' name: expected text, there is none',
    '10:14 ssh.sudo: expected true, false or \'password\', got "yes"',
    '10:29 ssh.identity: nokey cannot be read: no such file or directory',
    '11:10 recipes: expected a list, got "norecipes"',
    '12:14 custom_json: nofile.json cannot be read: no such file or directory',
    '2:18 layers.app.roles[0]: unknown role none',
    '2:35 layers.app.packages: expected a list, got "zip"',
    '3:18 layers.web.roles[0]: unknown role none',
    '5:43 hosts.one.layers[1]: unknown layer ap',
    '5:54 hosts.one.port: expected a number, got "many"',
    '6:43 hosts.two.layers[1]: unknown layer ap',
    '7:21 hosts.three.address: the environment variable NONE is not set',
    '7:46 hosts.three.layers[0]: unknown layer ap',
    '9:20 apps.site.layers[0]: unknown layer spare',
    '9:33 apps.site has no repository',
  ])
})

t.test('reports duplicate keys, and a name that no key can have', async (t) => {
  const path = written(t, {
    'stack.json': `{"name": "small", "layers": {"app": {}}, "hosts": {
"one": {"address": "10.0.0.1", "layers": ["app"]},
"__proto__": {"address": "10.0.0.2", "layers": ["app"]},
"one": {"address": "10.0.0.3", "layers": ["app"]}}, "custom_json": "more.json"}`,
    'more.json': '{"a": 1, "a": 2}',
  })
  t.strictSame(await problems(path), [
    '3:1 hosts.__proto__: no key can have this name',
    '4 hosts.one stands 2 times, in lines 2, 4 [keep one of them]',
  ])
  writeFileSync(path, JSON.stringify({ ...small, custom_json: 'more.json' }))
  t.match((await loadStack(path)).warnings, [{ code: 'DUPLICATE_KEY', path: 'a', source: { file: 'more.json' } }])
  const names = { constructor: {}, 'plone1.eu.example.com': {}, 'A-b_c.1': {} }
  const hosts = Object.keys(names).map((name, index) => [name, { address: `10.0.0.${index}`, layers: ['app'] }])
  writeFileSync(path, JSON.stringify({ ...small, hosts: Object.fromEntries(hosts) }))
  const stack = await loadStack(path)
  t.strictSame(
    stack.hosts.map(({ name }) => name),
    Object.keys(names),
  )
  for (const name of ['web 1', '-web', 'web*', 'wéb', '12', '.', 'a/b', 'x'.repeat(101), '']) {
    writeFileSync(path, JSON.stringify({ ...small, hosts: { [name]: small.hosts.one } }))
    t.match(
      await problems(path),
      [/: "[^"]*" is not a host's name: letters, digits, dots, dashes and underscores, 100 at/],
      name,
    )
  }
})

t.test('checks environments too, and null removes a setting', async (t) => {
  const path = written(t, {
    'stack.yaml': `name: small
layers: { app: {} }
hosts: { one: { address: 10.0.0.1, layers: [app] } }
apps: { site: { scm: { repository: /srv/site.git, revision: main }, ssl: { certificate: crt, key: key, chain: none } } }
health: { url: http://a.test/ }
environments:
  live: { apps: { site: { scm: { revision: null }, ssl: { chain: null } } }, health: { url: null } }
`,
    crt: '-----BEGIN CERTIFICATE-----\n',
    key: '-----BEGIN KEY-----\n',
  })
  const { apps } = await loadStack(path, { environment: 'live' })
  t.strictSame(apps[0]?.deploy.scm, { scm_type: 'git', repository: '/srv/site.git' })
  t.notOk('ssl_certificate_ca' in (apps[0]?.deploy ?? {}))
  const other = written(t, { 'stack.json': JSON.stringify({ ...small, environments: { 'a/b': {}, 'x.1': {} } }) })
  t.match(await problems(other), [/^1:\d+ environments\["a\/b"\]: "a\/b" is not an environment's name/])
  writeFileSync(other, JSON.stringify({ ...small, environments: ['staging'] }))
  t.match(await problems(other), [/^1:\d+ environments: expected an object, got a list/])
})

t.test('compares addresses and host names in any spelling', async (t) => {
  const path = written(t, {
    'stack.yaml': `name: small
layers: { app: {} }
hosts:
  a: { address: "fd00:0::1", layers: [app] }
  b: { address: "fd00::1", layers: [app] }
  c.d: { address: Web.example.com., layers: [app] }
  e: { address: web.example.com, layers: [app] }
  f: { address: "[fd00::2]:2222", layers: [app] }
  g: { address: müller.example, layers: [app] }
  h: { address: h.test, layers: [app], ip: h, private_dns_name: h i, public_dns_name: "fd00::3" }
  i: { address: ann@corp@gate.test, layers: [app], private_dns_name: "a; b" }
  j: { address: "fe80::1%eth0", layers: [app], prefix: /srv/../etc }
`,
  })
  t.strictSame((await problems(path)).map((one) => one.replace(/\[give each.*/, '')).sort(), [
    '10:44 hosts.h.ip: h is no IP address [write a name as public_dns_name]',
    '10:65 hosts.h.private_dns_name: "h i" is not a host name [write an IPv4 or IPv6 address, or a DNS name]',
    '11:17 hosts.i.address: "ann@corp@gate.test" is not a host address [write the account as user: ann@corp]',
    '11:70 hosts.i.private_dns_name: "a; b" is not a host name [write an IPv4 or IPv6 address, or a DNS name]',
    `12:56 hosts.j.prefix: expected an absolute path below /, without '.' or '..' parts, got "/srv/../etc" [Directory that all paths are placed below, for a host that is converged as an ordinary user]`,
    '5:17 hosts.b and hosts.a have one address, fd00::1 port 22 ',
    '7:17 hosts.e and hosts["c.d"] have one address, web.example.com port 22 ',
    '8:17 hosts.f.address: "[fd00::2]:2222" is not a host address [write the address without the brackets: fd00::2; write the port as port: 2222]',
    '9:17 hosts.g.address: "müller.example" is not a host address [write it as xn--mller-kva.example]',
  ])
  const hosts = {
    one: { address: '10.0.0.1', layers: ['app'], prefix: '/home/ann//site/' },
    two: { address: 'gate.test', port: 2201, private_ip: '10.0.0.1', layers: ['app'], backends: 0, cpus: 3 },
  }
  writeFileSync(path.replace('yaml', 'json'), JSON.stringify({ ...small, hosts }))
  const stack = await loadStack(path.replace('yaml', 'json'))
  t.match(stack.warnings, [
    {
      code: 'SHARED_ADDRESS',
      message: 'hosts.two and hosts.one have one address for the other hosts, 10.0.0.1',
      source: { line: 1 },
    },
  ])
  t.match(stack.hosts, [{ prefix: '/home/ann/site' }, { backends: 24 }])
})

t.test('refuses health settings that cannot be requested', async (t) => {
  const path = written(t, {
    'stack.json': JSON.stringify({
      ...small,
      health: { url: ['https://a.test/', 'a.test', 'ftp://a.test/'], status: { min: 400, max: 200 } },
    }),
  })
  t.match(await problems(path), [
    / health\.url\[1\]: this is not the URL of a page/,
    / health\.url\[2\]: this is not the URL of a page/,
    / health\.status: no status is from 400 up to 200/,
  ])
  const nothing = written(t, { 'stack.json': JSON.stringify({ ...small, health: { url: [], command: '' } }) })
  t.match(await problems(nothing), [
    / health\.url: expected a list with a length from 1 up/,
    / health\.command: expected /,
  ])
})

t.test('the health check requests the domain of the site', async (t) => {
  const apps = {
    zeoserver: { scm: { repository: '/srv/x' } },
    site: { scm: { repository: '/srv/x' }, domains: ['*.shop.test', 'shop.test', 'www.shop.test'] },
  }
  const loaded = async (health: object, more: object = { apps }) => {
    const path = written(t, { 'stack.json': JSON.stringify({ ...small, ...more, health }) })
    return (await loadStack(path)).health
  }
  const hosts = async (...url: string[]) => (await loaded({ url }))?.pages.map(({ host }) => host)
  const { address } = small.hosts.one
  t.strictSame(
    await hosts(`http://${address}/`, 'http://192.0.2.99:8080/', 'http://[::1]/', 'http://localhost/', 'http://one/'),
    Array.from({ length: 5 }, () => 'shop.test'),
    'an address is not the name of the site',
  )
  t.strictSame(await hosts('http://other.test/', 'https://www.shop.test/'), [undefined, undefined])
  const stated = await loaded({
    url: ['http://192.0.2.99/', 'http://a.test/'],
    host: 'b.test',
    headers: { 'X-A': '1' },
  })
  t.match(stated?.pages, [
    { host: 'b.test', headers: { 'X-A': '1' } },
    { host: 'b.test', headers: { 'X-A': '1' } },
  ])
  const environment = async (health: object, more?: object) => (await loaded(health, more))?.environment
  t.strictSame(await environment({ command: 'true' }), {
    CONVERGE_HEALTH_URL: 'http://shop.test/',
    CONVERGE_HEALTH_HOST: 'shop.test',
  })
  t.strictSame(await environment({ url: 'http://192.0.2.99:81/a', command: 'true' }), {
    CONVERGE_HEALTH_URL: 'http://192.0.2.99:81/a',
    CONVERGE_HEALTH_HOST: 'shop.test',
  })
  t.strictSame(await environment({ command: 'true' }, {}), {}, 'a site without a name')
  const wrong = { url: 'http://a.test/', host: 'a b', headers: { Host: 'x', 'X Y': 'z', 'X-Z': 'a\nb' } }
  t.match(await problems(written(t, { 'stack.json': JSON.stringify({ ...small, health: wrong }) })), [
    / health\.host: expected a host name/,
    / health\.headers\.Host: .*health\.host/,
    / health\.headers\["X Y"\]: .*the name of a header/,
    / health\.headers\.X-Z: expected the value of a header/,
  ])
})

t.test('refuses a binary key, and accepts the path of a public one', async (t) => {
  const path = written(t, {
    'stack.json': JSON.stringify({
      ...small,
      hosts: { one: { ...small.hosts.one, identity: 'token' } },
      apps: { site: { scm: { repository: '/srv/x' }, ssl: { certificate: 'der', key: { $file: 'der' } } } },
    }),
    'token.pub': 'ssh-ed25519 AAAA\n',
  })
  writeFileSync(join(path, '../der'), Buffer.from([0x30, 0x82, 0xff, 0xfe]))
  t.match(await problems(path), [
    /apps\.site\.ssl\.certificate: der is not text/,
    /apps\.site\.ssl\.key: der is not text \[convert a key or certificate in binary form/,
  ])
})

t.test('warns about a layer without hosts', async (t) => {
  const path = written(t, { 'stack.json': JSON.stringify({ ...small, layers: { ...small.layers, spare: {} } }) })
  t.match((await loadStack(path)).warnings, [{ code: 'EMPTY_LAYER', message: 'no host is in the layer spare' }])
})

t.test('refuses malformed jump hosts', async (t) => {
  for (const [jump, wrong] of [
    ['gate:0', 'gate:0'],
    ['ann@gate:99999', 'ann@gate:99999'],
    ['ann@', 'ann@'],
    ['one,,two', ''],
    ['one two', 'one two'],
    ['gate,none', 'none'],
    ['gate,gate', 'gate'],
    ['http://gate', 'http://gate'],
  ] as const) {
    const path = written(t, { 'stack.json': JSON.stringify({ ...small, ssh: { jump } }) })
    const [problem, ...more] = await problems(path)
    t.match(problem ?? '', `ssh.jump: invalid jump host ${JSON.stringify(wrong)}`, jump)
    t.strictSame(more, [])
  }
  const hosts = {
    one: { ...small.hosts.one, jump: 'gate:0' },
    two: { address: '10.0.0.2', layers: ['app'], jump: '::' },
  }
  t.equal((await problems(written(t, { 'stack.json': JSON.stringify({ ...small, hosts }) }))).length, 2)
  for (const jump of ['none', 'gate', 'ann@gate:2022', 'one, ann@[fd00::1]:22', 'ssh://gate'])
    t.strictSame(await problems(written(t, { 'stack.json': JSON.stringify({ ...small, ssh: { jump } }) })), [], jump)
})

t.test('resolves files that the health command names', async (t) => {
  const path = written(t, { 'stack.json': '', 'plain.sh': 'true\n', 'run.sh': '#!/bin/sh\n' })
  chmodSync(path.replace('stack.json', 'run.sh'), 0o755)
  const found = async (command: string) => {
    writeFileSync(path, JSON.stringify({ ...small, health: { command } }))
    return (await problems(path)).join('\n')
  }
  for (const [command, wrong] of [
    ['./gone.sh', 'health.command: ./gone.sh does not exist'],
    ['./gone.sh --fast | cat', 'health.command: ./gone.sh does not exist'],
    ['./plain.sh', 'health.command: ./plain.sh is not executable'],
    ['sh gone.sh', 'health.command: gone.sh does not exist'],
    ['/bin/sh ./gone.sh now', 'health.command: ./gone.sh does not exist'],
    ['python3 gone.py', 'health.command: gone.py does not exist'],
    ['./.', 'health.command: ./. is not a file'],
  ] as const)
    t.match(await found(command), wrong, command)
  for (const command of [
    './run.sh',
    'sh plain.sh',
    'test -e /gone',
    '"$HOME"/x',
    'X=1 ./gone',
    'sh -c "exit 0"',
    'true',
  ])
    t.equal(await found(command), '', command)
})

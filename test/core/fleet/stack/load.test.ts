/** Stack files: what they amount to, and everything wrong with one told at once. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { loadStack, type StackOptions } from '../../../../core/fleet/stack/stack.ts'
import { describeLocation, InvalidInput } from '../../../../core/model/errors.ts'
import { scratch } from '../../../support/machine.ts'

const fixture = fileURLToPath(new URL('../../../../fixtures/stacks/plone/stack.yaml', import.meta.url))
const variables = { SHOP_TOKEN: 'sesame-open' }

/** A directory with files, and the path of the first. */
function written(t: Test, files: Readonly<Record<string, string>>): string {
  const directory = scratch(t)
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return join(directory, Object.keys(files)[0] ?? '')
}

/** Each problem as `line:column message [hint]`; none of them shows what `secret` is. */
async function problems(path: string, options: StackOptions = {}): Promise<string[]> {
  try {
    await loadStack(path, options)
    return []
  } catch (error) {
    const all = error instanceof InvalidInput ? error.problems : [error as InvalidInput]
    return all.map(({ message, hint, source, usage }) => {
      const place = source === undefined ? '' : describeLocation(source).replace(path, '').replace(/^:/, '')
      return `${usage ? '' : 'internal: '}${place} ${message}${hint === undefined ? '' : ` [${hint}]`}`
    })
  }
}

const small = {
  name: 'small',
  layers: { app: { roles: ['zeo-client'] } },
  hosts: { one: { address: '10.0.0.1', layers: ['app'] } },
}

t.test('a whole stack', async (t) => {
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
    urls: ['https://shop.example.com/'],
    status: { min: 200, max: 200 },
    command: undefined,
    deadlineSeconds: 30,
  })
  t.ok(stack.secrets.includes('sesame-open'))
})

t.test('environments are laid over it', async (t) => {
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

t.test('JSON with comments, custom JSON in files, keys in files', async (t) => {
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

t.test('everything wrong is told at once, with its place and what to do', async (t) => {
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
    `11:9 apps.site has no repository [scm: { repository: … } says where its source is]`,
    `12:47 apps.shop.ssl needs a certificate and its key`,
    `12:59 apps.shop.ssl.key: nokey cannot be read: no such file or directory [it is looked for at ${join(path, '../nokey')}]`,
    `12:77 apps.shop.layers[0]: there is no layer spar [did you mean spare?]`,
    `13:11 recipes[0]: there is no norecipes [it is looked for at ${join(path, '../norecipes')}]`,
    `3:18 layers.app.roles[0]: there is no role zeo-clint [did you mean zeo-client?]`,
    `6:38 hosts.one.layers[0]: there is no layer ap [did you mean app?]`,
    `7:19 hosts.two and hosts.one have one address, 10.0.0.1 port 22 [give each its own; one host that does both is one entry, with the layers of both]`,
    `7:54 hosts.two.identity: nokey cannot be read: no such file or directory [it is looked for at ${join(path, '../nokey')}]`,
    `8:21 hosts.three.address: "admin@10.0.0.300" is no address of a host [the account goes into user: admin]`,
    `8:47 hosts.three is in no layer [layers: [app, spare], those that it belongs to]`,
    `9:20 hosts.four.address: "10.0.0.4:2222" is no address of a host [the port goes into port: 2222]`,
    `9:62 hosts.four.private_ip: inner is no IP address [a name goes into private_dns_name]`,
    `9:69 hosts.four.usr: there is no such key [did you mean hosts.four.user?]`,
  ])
})

t.test('the name of a stack is one of a directory too', async (t) => {
  for (const name of ['a/b', '..', '']) {
    const path = written(t, { 'stack.json': JSON.stringify({ ...small, name }) })
    t.match(await problems(path), [/^1:9 name: expected text without slashes, got/], name)
  }
  const path = written(t, { 'stack.json': JSON.stringify({ ...small, name: 'Our shop (new)' }) })
  t.equal((await loadStack(path)).name, 'Our shop (new)')
})

t.test('roles are looked for among those there are', async (t) => {
  const path = written(t, { 'stack.json': JSON.stringify({ ...small, recipes: ['.'] }) })
  let asked: readonly string[] = []
  const roles = async (recipes: readonly string[]) => {
    asked = recipes
    return ['zeo-clients', 'web']
  }
  t.match(await problems(path, { roles }), [
    /layers\.app\.roles\[0\]: there is no role zeo-client \[did you mean zeo-clients/,
  ])
  t.strictSame(asked, [join(path, '..')])
})

t.test('unknown keys and wrong kinds', async (t) => {
  const path = written(t, {
    'stack.json': `{"name": 7, "layer": {}, "layers": {"app": {"role": ["x"]}, "1": {}},
"hosts": {"one": {"adress": "a", "layers": "app", "port": 99999, "status": "up"}},
"apps": {"site": {"scm": {"repository": "/srv/x"}, "ssl": {"certificat": "x"}}}, "ssh": {"sudo": "yes"}, "helth": {}}`,
  })
  const found = await problems(path)
  for (const expected of [
    /^1:13 layer: there is no such key \[did you mean layers\?\]/,
    /^1:45 layers\.app\.role: there is no such key \[did you mean layers\.app\.roles\?\]/,
    /^1:61 layers\.1: "1" is not a layer's name: letters/,
    /^2:19 hosts\.one\.adress: there is no such key \[did you mean hosts\.one\.address\?\]/,
    / hosts\.one\.address: expected text, there is none/,
    / hosts\.one\.layers: expected a list, got "app" \[put it in brackets/,
    / hosts\.one\.port: expected a number up to 65535, got 99999/,
    / hosts\.one\.status: expected one of "online", "stopped", got "up"/,
    / apps\.site\.ssl\.certificat: there is no such key \[did you mean apps\.site\.ssl\.certificate\?\]/,
    / ssh\.sudo: expected true, false or 'password', got "yes"/,
    / helth: there is no such key \[did you mean health\?\]/,
  ])
    t.ok(
      found.some((one) => expected.test(one)),
      `${expected} among ${found.join('\n')}`,
    )
  t.equal(found.length, 11, found.join('\n'))
})

t.test('what stands elsewhere and is missing is told by its name, without a value', async (t) => {
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
  t.match(found.join('\n'), /environment\.B: only \{"\$file": "PATH"\} or/)
  t.match(found.join('\n'), /environment\.C: the environment variable EMPTY is empty/)
  t.notMatch(found.join('\n'), /sesame/)
})

t.test('a secret in the wrong place is not shown either', async (t) => {
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
  t.match(wrong, [/hosts\.one\.port: expected a number, got a text that is not shown$/])
  t.equal(wrong.length, 1)
  const right = JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')) }).replace('"port":{"$env":"SECRET"},', '')
  writeFileSync(path, right)
  const found = (await problems(path, { variables: { SECRET: 'abra cadabra' } })).join('\n')
  t.match(found, /hosts\.one\.address: .* is no address/)
  t.match(found, /hosts\.two\.layers\[0\]: there is no layer/)
  t.match(found, /hosts\.one\.private_ip: .* is no IP address/)
  t.notMatch(found, /abra|sesame/)
})

t.test('files that are no stacks', async (t) => {
  const list = written(t, { 'stack.json': '[]' })
  t.match(await problems(list), [/^ a stack is an object, not a list/])
  t.match(await problems('/nonexistent/stack.yaml'), [
    /the stack file \/nonexistent\/stack\.yaml cannot be read: no such file/,
  ])
  const broken = written(t, { 'stack.yaml': 'name: "x\nlayers: {' })
  t.match(await problems(broken), [/./])
  const script = written(t, { 'stack.ts': '' })
  t.match(await problems(script), [/only JSON and YAML are read here/])
  t.match(await problems(script, { loadModule: async () => ({}) }), [
    /it exports no stack \[export default defineStack/,
  ])
  t.equal((await loadStack(script, { loadModule: async () => ({ default: small }) })).name, 'small')
})

t.test('a layer without a host is a warning', async (t) => {
  const path = written(t, { 'stack.json': JSON.stringify({ ...small, layers: { ...small.layers, spare: {} } }) })
  t.match((await loadStack(path)).warnings, [{ code: 'EMPTY_LAYER', message: 'no host is in the layer spare' }])
})

/** Proves the hints about the contents of a stack file: loads each file with the mistake, and as the hint describes. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { loadStack } from '../../core/fleet/stack/load.ts'
import { scratch } from '../support/machine.ts'
import { type Proof, proveCalls } from '../support/proofs.ts'

type Files = Readonly<Record<string, string | Buffer>>

interface StackProof extends Proof {
  /** The difference from a valid stack; a text is the whole file. */
  readonly broken: object | string
  readonly repaired?: object | string
  readonly files?: Files
  /** Follows the hint in the directory. */
  readonly changed?: (directory: string) => void
  readonly environment?: readonly [broken: string, repaired: string | undefined]
  readonly variables?: readonly [broken: Record<string, string>, repaired: Record<string, string>]
}

const sound = {
  name: 'shop',
  layers: { app: { roles: ['base'] } },
  hosts: { web1: { address: '10.0.0.1', layers: ['app'] } },
}
const web1 = (change: object) => ({ hosts: { web1: { address: '10.0.0.1', layers: ['app'], ...change } } })
const app = (change: object) => ({ apps: { site: { scm: { repository: '/srv/site.git' }, ...change } } })

function prove(t: Test, proofs: readonly StackProof[]): void {
  for (const { source, hint, broken, repaired = broken, files = {}, changed, environment, variables } of proofs) {
    const directory = scratch(t)
    const stack = join(directory, 'stack.json')
    const write = (path: string, content: string | Buffer) => {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), content)
    }
    for (const [path, content] of Object.entries(files)) write(path, content)
    const load = (content: object | string, at: 0 | 1) => {
      if (at === 1) changed?.(directory)
      write('stack.json', typeof content === 'string' ? content : JSON.stringify({ ...sound, ...content }))
      return loadStack(stack, {
        roles: async () => ['base', 'solr'],
        environment: environment?.[at],
        variables: variables?.[at] ?? {},
      })
    }
    proveCalls(t, [
      {
        source,
        hint: hint.replaceAll('@', directory),
        broken: () => load(broken, 0),
        repaired: () => load(repaired, 1),
      },
    ])
  }
}

t.test('the hints about a file that is not a stack file work', async (t) => {
  prove(t, [
    {
      source: 'core/node/foreign_files.ts',
      hint: 'name the stack file with --stack FILE; converge stack schema prints the keys that it takes',
      broken: '{ "compilerOptions": {}, "include": [] }',
      repaired: sound,
    },
  ])
})

t.test('the hint about a file of attributes that is a text works', async (t) => {
  const files = { 'own.yaml': '{ $file: text.yaml }\n', 'text.yaml': 'tmpdir: {}\n' }
  prove(t, [
    {
      source: 'core/fleet/stack/custom_json.ts',
      hint: 'name the file itself in the stack file, not a file that refers to it',
      files,
      broken: { custom_json: 'own.yaml' },
      repaired: { custom_json: 'text.yaml' },
    },
  ])
})

t.test('the hints about addresses work', async (t) => {
  const source = 'core/fleet/stack/addresses.ts'
  const layers = { app: { roles: ['base'] }, db: { roles: ['base'] } }
  prove(t, [
    {
      source,
      hint: 'write the address without the brackets: fd00::1; write the port as port: 2222',
      broken: web1({ address: '[fd00::1]:2222' }),
      repaired: web1({ address: 'fd00::1', port: 2222 }),
    },
    {
      source,
      hint: 'write the account as user: admin',
      broken: web1({ address: 'admin@10.0.0.1' }),
      repaired: web1({ user: 'admin' }),
    },
    {
      source,
      hint: 'write the port as port: 2222',
      broken: web1({ address: '10.0.0.1:2222' }),
      repaired: web1({ port: 2222 }),
    },
    {
      source,
      hint: 'write it as xn--bcher-kva.example',
      broken: web1({ address: 'bücher.example' }),
      repaired: web1({ address: 'xn--bcher-kva.example' }),
    },
    {
      source,
      hint: 'write an IPv4 or IPv6 address, or a DNS name',
      broken: web1({ address: 'web 1' }),
      repaired: web1({ address: 'web1' }),
    },
    {
      source,
      hint: 'write a name as private_dns_name',
      broken: web1({ private_ip: 'web1.internal' }),
      repaired: web1({ private_dns_name: 'web1.internal' }),
    },
    {
      source,
      hint: 'give each its own address; if they are one host, write one entry with the layers of both',
      broken: { layers, hosts: { ...web1({}).hosts, db1: { address: '10.0.0.1', layers: ['db'] } } },
      repaired: { layers, ...web1({ layers: ['app', 'db'] }) },
    },
  ])
})

t.test('the hints about layers, hosts and apps work', async (t) => {
  const source = 'core/fleet/stack/checks.ts'
  prove(t, [
    { source, hint: 'there are: app', broken: web1({ layers: ['qqqqqqqq'] }), repaired: web1({ layers: ['app'] }) },
    {
      source,
      hint: 'name the repository of its source: scm: { repository: … }',
      broken: app({ scm: { type: 'git' } }),
      repaired: app({ scm: { repository: '/srv/site.git' } }),
    },
    { source, hint: 'hosts: { web1: { address: … } }', broken: { hosts: {} }, repaired: {} },
    { source, hint: 'layers: { app: { roles: […] } }', broken: { layers: {} }, repaired: {} },
    {
      source,
      hint: 'name the layers that it belongs to: layers: [app]',
      broken: web1({ layers: [] }),
      repaired: web1({ layers: ['app'] }),
    },
    {
      source,
      hint: 'name the file of a private key',
      files: { 'keys/web1': 'a key' },
      broken: web1({ identity: 'keys' }),
      repaired: web1({ identity: 'keys/web1' }),
    },
    {
      source: 'core/fleet/stack/health_command.ts',
      hint: 'check the path: @/check.sh',
      broken: { health: { command: './check.sh' } },
      changed: (directory) => writeFileSync(join(directory, 'check.sh'), '#!/bin/sh\n', { mode: 0o755 }),
    },
    {
      source: 'core/fleet/stack/health_command.ts',
      hint: 'make it executable: chmod +x @/check.sh',
      files: { 'check.sh': '#!/bin/sh\n' },
      broken: { health: { command: './check.sh' } },
      changed: (directory) => chmodSync(join(directory, 'check.sh'), 0o755),
    },
    {
      source,
      hint: 'https://shop.example.com/',
      broken: { health: { url: 'shop.example.com' } },
      repaired: { health: { url: 'https://shop.example.com/' } },
    },
    {
      source,
      hint: '{ min: 200, max: 399 }',
      broken: { health: { url: 'https://shop.example.com/', status: { min: 399, max: 200 } } },
      repaired: { health: { url: 'https://shop.example.com/', status: { min: 200, max: 399 } } },
    },
    {
      source,
      hint: 'check that this path exists: @/recipes',
      broken: { recipes: ['recipes'] },
      changed: (directory) => mkdirSync(join(directory, 'recipes')),
    },
  ])
})

t.test('the hints about keys and words work', async (t) => {
  const source = 'core/fleet/stack/content.ts'
  prove(t, [
    {
      source,
      hint: 'yes is a text: write true',
      broken: web1({ sudo: 'yes' }),
      repaired: web1({ sudo: true }),
    },
    {
      source,
      hint: 'did you mean hosts.web1.address?',
      broken: { hosts: { web1: { address: '10.0.0.1', layers: ['app'], adress: '10.0.0.2' } } },
      repaired: web1({ address: '10.0.0.2' }),
    },
    {
      source: 'core/node/problems.ts',
      hint: 'the keys are: name, region, layers, hosts, apps, custom_json, recipes, ssh, health, runtime, environments',
      broken: { attributes: { shop: { colour: 'red' } } },
      repaired: { custom_json: { shop: { colour: 'red' } } },
    },
  ])
})

t.test('the hints about values from files and variables work', async (t) => {
  const source = 'core/fleet/stack/external_reference.ts'
  const password = (value: unknown) => ({ custom_json: { site: { password: value } } })
  const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
  prove(t, [
    {
      source,
      hint: 'write one of {"$file": "PATH"}, {"$env": "NAME"}, {"$age": "FILE", "key": "NAME"}, {"$sops": "FILE", "key": "NAME"}, {"$command": ["PROGRAM", "ARGUMENT"]}',
      variables: [{ PASSWORD: 'secret' }, { PASSWORD: 'secret' }],
      broken: password({ $env: 'PASSWORD', $file: 'password' }),
      repaired: password({ $env: 'PASSWORD' }),
    },
    {
      source,
      hint: 'export PASSWORD=..., or take the value from a file: {"$file": "PATH"}',
      variables: [{}, { PASSWORD: 'secret' }],
      broken: password({ $env: 'PASSWORD' }),
    },
    {
      source,
      hint: 'check that this path exists: @/password',
      broken: password({ $file: 'password' }),
      changed: (directory) => writeFileSync(join(directory, 'password'), 'secret\n'),
    },
    {
      source,
      hint: 'check that this path is a regular file that this account may read: @/passwords',
      files: { password: 'secret', 'passwords/file': '' },
      broken: password({ $file: 'passwords' }),
      repaired: password({ $file: 'password' }),
    },
    {
      source,
      hint: 'convert a key or certificate in binary form (DER) to PEM: openssl x509, openssl pkey',
      files: { 'site.crt': Buffer.from([0x30, 0x82, 0xff, 0xfe]), 'site.key': pem },
      broken: app({ ssl: { certificate: { $file: 'site.crt' }, key: { $file: 'site.key' } } }),
      changed: (directory) => writeFileSync(join(directory, 'site.crt'), pem),
    },
  ])
})

t.test('the hints about the whole file and its environments work', async (t) => {
  const source = 'core/fleet/stack/file.ts'
  const environments = { staging: web1({ address: '10.0.1.1' }) }
  const twice = `{"name": "shop", "layers": {"app": {}}, "hosts": {"web1": {"address": "10.0.0.9", "layers": ["app"]},`
  prove(t, [
    {
      source,
      hint: 'keep one of them',
      broken: `${twice} "web1": {"address": "10.0.0.1", "layers": ["app"]}}}`,
      repaired: web1({}),
    },
    {
      source,
      hint: 'divide the stack into several stack files',
      broken: { hosts: Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`h${at}`, {}])) },
      repaired: sound,
    },
    { source, hint: 'write { "name": …, "layers": …, "hosts": … }', broken: '[]', repaired: sound },
    {
      source,
      hint: 'it has: staging',
      environment: ['qqqqqqqq', 'staging'],
      broken: { environments },
    },
    { source, hint: 'it has none: omit --environment', environment: ['staging', undefined], broken: {} },
  ])
})

t.test('the hints about Node programs for hosts work', async (t) => {
  const source = 'core/fleet/stack/runtimes.ts'
  const elf = Buffer.alloc(64)
  elf.write('\x7fELF\x02\x01\x01', 'latin1')
  elf.writeUInt16LE(62, 18)
  const runtime = (x64: string) => ({ runtime: { x64 } })
  const make = (directory: string) => chmodSync(join(directory, 'node/bin/node'), 0o755)
  const files = { 'node/bin/node': elf, 'install.sh': '#!/bin/sh\n' }
  prove(t, [
    {
      source,
      hint: 'name the program itself, such as bin/node',
      files,
      broken: runtime('node'),
      changed: make,
      repaired: runtime('node/bin/node'),
    },
    {
      source,
      hint: 'check that it is a Node program, then run chmod +x @/node/bin/node',
      files,
      broken: runtime('node/bin/node'),
      changed: make,
    },
    {
      source,
      hint: 'name the program bin/node of a download for linux-x64',
      files,
      broken: runtime('/usr/bin/ldd'),
      changed: make,
      repaired: runtime('node/bin/node'),
    },
  ])
})

t.test('the hint about what an environment removes works', async (t) => {
  const remove = (hosts: object) => ({ ...web1({}), environments: { staging: { hosts } } })
  prove(t, [
    {
      source: 'core/fleet/stack/file.ts',
      hint: 'remove the key',
      broken: remove({ database: null, db: { address: '10.0.0.2', layers: ['app'] } }),
      repaired: remove({ db: { address: '10.0.0.2', layers: ['app'] } }),
      environment: ['staging', 'staging'],
    },
  ])
})

/** Tests apt_repository: sources, keys, and repositories that do not work. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { apt_repository } from '../../../resources/packages/apt_repository.ts'
import { binaryKeyring, keyFingerprints } from '../../../resources/packages/openpgp_key.ts'
import { contract, planOf } from '../../support/contract.ts'
import { publicKey } from '../../support/openpgp.ts'

const url = 'https://deb.example.com/key.asc'
const fingerprints = [publicKey.fingerprint]
const [sources, keyring] = ['/etc/apt/sources.list.d/shop.sources', '/etc/apt/keyrings/shop.gpg']
const binary = binaryKeyring(Buffer.from(publicKey.text)) ?? Buffer.alloc(0)

/** `apt-get update` reads the hidden file of the check, and fails for the suite `broken`. */
const commands: CommandHandler = ([program, ...words], _, host) => {
  if (program !== 'apt-get') return null
  const list = words.find((one) => one.startsWith('Dir::Etc::SourceList='))?.replace(/.*?=/, '') ?? ''
  const text = host.readText(list) ?? ''
  const signedBy = /^Signed-By: (.*)$/m.exec(text)?.[1] ?? ''
  if (host.stat(signedBy) === null) return { status: 100, stderr: `E: no keyring ${signedBy}` }
  return text.includes('broken') ? { status: 100, stderr: 'E: The repository does not have a Release file.' } : {}
}
const host = { commands, downloads: { [url]: publicKey.text, 'https://deb.example.com/page': '<html>' } }
const props = { name: 'shop', uris: ['https://deb.example.com'], suites: ['stable'], components: ['main', 'extra'] }
const key = { url, fingerprints }
const text = `Types: deb
URIs: https://deb.example.com
Suites: stable
Components: main extra
Signed-By: ${keyring}
`
const given =
  (files: Readonly<Record<string, string>> = {}) =>
  (host: VirtualHost) => {
    for (const [path, content] of Object.entries({ '/usr/share/keyrings/own.gpg': 'x', ...files }))
      host.given(path, content)
  }
const isClean = (host: VirtualHost) =>
  ['/etc/apt/sources.list.d', '/etc/apt/keyrings'].every((path) =>
    host.list(path).every((name) => !name.startsWith('.')),
  )

contract(t, apt_repository, [
  {
    name: 'installs source and key',
    props: { ...props, key },
    host,
    given: given(),
    changes: ['replace /updated', 'replace /key', 'replace /sources'],
    then(t, host) {
      t.equal(host.readText(sources), text)
      t.strictSame(host.readBytes(keyring), binary)
      t.ok(isClean(host))
    },
  },
  {
    name: 'installs a key from text',
    props: { ...props, key: { content: publicKey.text } },
    host,
    given: given({ [sources]: 'old' }),
    changes: ['replace /updated', 'replace /key', 'replace /sources'],
    then: (t, host) => void t.strictSame(host.readBytes(keyring), binary),
  },
  {
    name: 'uses a keyring of a package',
    props: {
      ...props,
      suites: ['./'],
      components: [],
      architectures: ['amd64'],
      signedBy: '/usr/share/keyrings/own.gpg',
    },
    host,
    given: given(),
    changes: ['replace /updated', 'replace /sources'],
    then: (t, host) =>
      void t.match(
        host.readText(sources),
        'Suites: ./\nArchitectures: amd64\nSigned-By: /usr/share/keyrings/own.gpg\n',
      ),
  },
  {
    name: 'removes source and key',
    props: { name: 'shop', absent: true },
    host,
    given: given({ [sources]: 'x', [keyring]: 'y' }),
    changes: ['replace /key = null', 'replace /sources = null'],
  },
  {
    name: 'does nothing if the source to remove is missing',
    props: { name: 'shop', absent: true },
    host,
    given: given(),
    changes: [],
  },
  {
    name: 'fails if the server sends another key',
    props: { ...props, key: { url, fingerprints: ['0'.repeat(40)] } },
    host,
    given: given(),
    fails: /has other keys than declared: [0-9A-F]{40}/,
  },
  {
    name: 'fails if the server sends no key',
    props: { ...props, key: { url: 'https://deb.example.com/page', fingerprints } },
    host,
    given: given(),
    fails: /page is no OpenPGP key/,
  },
  {
    name: 'fails if apt cannot use the repository',
    props: { ...props, suites: ['broken'], key },
    host,
    given: given(),
    fails: /cannot read the repository shop.*Release file/s,
  },
])

t.test('a broken repository is not installed', async (t) => {
  const { run } = await import('../../support/contract.ts')
  const { VirtualHost } = await import('../../../core/host/virtual.ts')
  const virtual = new VirtualHost(host)
  given()(virtual)
  await run(
    planOf((r) => apt_repository(r, { ...props, suites: ['broken'], key })),
    virtual,
  )
  t.strictSame([virtual.stat(sources), virtual.stat(keyring), isClean(virtual)], [null, null, true])
})

t.test('reads keyrings', async (t) => {
  t.strictSame(keyFingerprints(binary), fingerprints)
  t.strictSame(keyFingerprints(Buffer.concat([binary, binary])), [...fingerprints, ...fingerprints])
  t.strictSame(binaryKeyring(binary), binary)
  for (const damaged of [
    binary.subarray(0, 20),
    Buffer.from('x'),
    Buffer.alloc(0),
    Buffer.concat([binary, Buffer.from('x')]),
  ])
    t.equal(binaryKeyring(damaged), null)
})

t.test('refuses an invalid repository', async (t) => {
  for (const wrong of [
    { key: undefined },
    { signedBy: '/x' },
    { uris: [] },
    { suites: ['a b'] },
    { name: 'a/b' },
    { uris: ['deb.example.com'] },
    { key: { url } },
    { key: { ...key, content: 'x' } },
    { key: { content: 'x', fingerprints: ['abc'] } },
  ])
    t.throws(() => planOf((r) => apt_repository(r, { ...props, key, ...wrong } as never)), JSON.stringify(wrong))
})

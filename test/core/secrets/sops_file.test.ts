/** Tests the reader of sops files with files that the real sops made, and with damaged copies of them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { identitiesIn } from '../../../core/secrets/age_identities.ts'
import { secretAt } from '../../../core/secrets/secret_keys.ts'
import { decryptSops } from '../../../core/secrets/sops_file.ts'

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../fixtures/secrets/${name}`, import.meta.url)), 'utf8')
const identities = identitiesIn(fixture('identity.txt'), 'identity.txt')
const decrypt = (text: string, name = 'site.yaml') => decryptSops(text, name, identities)

for (const name of ['all.yaml', 'some_encrypted.yaml', 'only_encrypted.yaml'])
  t.test(`decrypts ${name}`, async (t) => {
    const content = await decrypt(fixture(name), name)
    const at = (key: string | string[]) => secretAt(content, key, name)
    t.equal(at('database.password'), 'pa:ss #1; %s')
    t.equal(at('database.port'), '5432')
    t.equal(at('database.big'), '9007199254740993')
    t.equal(at('database.ssl'), 'true')
    t.equal(at('database.empty'), '')
    t.equal(at('list.0'), 'first')
    t.equal(at('list.1.token'), 't-2')
    t.equal(at('10'), 'number-like key')
    t.equal(at(['dotted.key']), 'found')
    t.equal(at('multi'), 'line one\nline two\n')
    t.throws(() => at('sops'), { code: 'UNKNOWN_SECRET' }, 'without the metadata')
    t.throws(() => at('database'), { code: 'NOT_A_SECRET_TEXT', hint: /its keys are: user, password, port/ })
    t.throws(() => at('database.none'), { code: 'NOT_A_SECRET_TEXT' })
    t.throws(() => at('database.pasword'), { code: 'UNKNOWN_SECRET', hint: 'did you mean password?' })
  })

t.test('decrypts JSON for the second of two recipients, and a binary file', async (t) => {
  const json = await decrypt(fixture('all.json'))
  t.equal(secretAt(json, ['nested', 'a.b'], 'all.json'), 'dotted')
  t.equal(secretAt(json, 'nested.list.1', 'all.json'), 'x')
  t.equal(secretAt(json, 'port', 'all.json'), '8080')
  t.equal(secretAt(json, 'ratio', 'all.json'), '1.5')
  const key = await decrypt(fixture('key.json'))
  t.match(secretAt(key, 'data', 'key.json'), /^-----BEGIN PRIVATE KEY-----\nabc\n/)
})

t.test('refuses each damaged copy', async (t) => {
  for (const name of ['all.yaml', 'some_encrypted.yaml', 'only_encrypted.yaml', 'all.json', 'key.json']) {
    const text = fixture(name)
    const lines = text.split('\n')
    const body = lines.findIndex((line) => /^\s*"?sops"?:/.test(line))
    const values = lines.flatMap((line, index) => (line.includes('ENC[') && index < body ? [index] : []))
    for (const index of values) {
      // sops leaves comments out of the MAC.
      const isComment = /^\s*#|type:comment/.test(lines[index] ?? '')
      if (isComment) continue
      const changed = (replace: (line: string) => string) =>
        lines.map((line, at) => (at === index ? replace(line) : line)).join('\n')
      const flipped = changed((line) => line.replace(/data:(.)/, (_, one) => `data:${one === 'A' ? 'B' : 'A'}`))
      await t.rejects(decrypt(flipped, name), { code: 'DAMAGED_SECRET' }, `${name}:${index + 1}: another value`)
      const cut = changed((line) => line.replace(/,type:\w+\]/, ''))
      await t.rejects(decrypt(cut, name), { code: 'DAMAGED_SECRET' }, `${name}:${index + 1}: cut off`)
      const emptied = changed((line) => line.replace(/ENC\[.*?\]/, '""').replace('""""', '""'))
      await t.rejects(decrypt(emptied, name), { code: 'DAMAGED_SECRET' }, `${name}:${index + 1}: emptied`)
    }
    t.ok(values.length > 0, name)
  }
})

t.test('a value moved to another key does not decrypt', async (t) => {
  const text = fixture('some_encrypted.yaml')
  const password = /password: (ENC\[.*\])/.exec(text)?.[1] ?? ''
  const moved = text.replace(/token: ENC\[.*\]/, `token: ${password}`)
  await t.rejects(decrypt(moved), { message: /the value of list.token was changed, or moved from another key/ })
})

t.test(
  'an unencrypted value is covered by the MAC, unless the file says that it covers encrypted ones only',
  async (t) => {
    const change = (name: string) => fixture(name).replace('user: shop', 'user: root')
    await t.rejects(decrypt(change('some_encrypted.yaml')), { message: /MAC does not match/ })
    const content = await decrypt(change('only_encrypted.yaml'))
    t.equal(secretAt(content, 'database.user', 'site.yaml'), 'root')
    const claimed = change('some_encrypted.yaml').replace('    mac: ENC', '    mac_only_encrypted: true\n    mac: ENC')
    await t.rejects(decrypt(claimed), { message: /MAC does not match/ }, 'the claim alone does not help')
  },
)

t.test('a removed, added or repeated value does not match the MAC', async (t) => {
  const text = fixture('all.yaml')
  const [port = ''] = /^ {4}port: .*\n/m.exec(text) ?? []
  await t.rejects(decrypt(text.replace(port, '')), { message: /MAC does not match/ })
  await t.rejects(decrypt(text.replace('list:', 'added: 1\nlist:')), { message: /MAC does not match/ })
  await t.rejects(decrypt(text.replace(port, port + port)), { code: 'INVALID_SECRETS' }, 'a duplicate key')
})

t.test('refuses metadata that was changed or removed', async (t) => {
  const text = fixture('all.yaml')
  for (const [why, changed] of [
    ['no MAC', text.replace(/^ {4}mac: .*\n/m, '')],
    [
      'another MAC',
      text.replace(/mac: ENC\[AES256_GCM,data:./, (found) => `${found.slice(0, -1)}${found.endsWith('A') ? 'B' : 'A'}`),
    ],
    ['another date', text.replace(/lastmodified: "2026/, 'lastmodified: "2027')],
    ['a damaged key', text.replace(/(BEGIN AGE ENCRYPTED FILE-----\n\s+.{30})./, '$1_')],
  ] as const) {
    t.not(changed, text, why)
    await t.rejects(decrypt(changed), { code: 'DAMAGED_SECRET', message: /^site\.yaml is damaged: / }, why)
  }
})

t.test('reports an unsupported file, with an alternative', async (t) => {
  await t.rejects(decrypt(fixture('site.env'), 'site.env'), { code: 'UNSUPPORTED_SOPS', hint: /sops", "decrypt"/ })
  await t.rejects(decrypt('token: plain\n'), { code: 'NOT_SOPS', hint: /^encrypt it: sops encrypt/ })
  await t.rejects(decrypt(fixture('other.yaml')), { code: 'WRONG_IDENTITY' })
  await t.rejects(decrypt('a: 1\nsops:\n  pgp:\n    - fp: 1\n'), { code: 'UNSUPPORTED_SOPS' })
  await t.rejects(decrypt('a: [\nsecret-text'), { code: 'INVALID_SECRETS', message: /^site\.yaml:2: invalid YAML/ })
  for (const text of ['', '- a\n', 'text', 'a: &x 1\nb: *x\n', 'a: 1\n---\nb: 2\n'])
    await t.rejects(decrypt(text), { name: 'ConvergeError' }, JSON.stringify(text))
})

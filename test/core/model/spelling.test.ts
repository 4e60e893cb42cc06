/** Tests that a secret is masked in each spelling that the writers of files, commands and messages use. */
import fc from 'fast-check'
import t from 'tap'
import { Secrets } from '../../../core/model/secrets.ts'
import { shellWords } from '../../../core/text/shell.ts'

const url = (text: string) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'))
const escapeAll = (text: string) => text.replaceAll(/[^A-Za-z0-9\n]/gu, '\\$&')

/** How languages spell a text with special characters. */
const writers: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  JSON: (text) => JSON.stringify(text).slice(1, -1),
  'JSON in JSON': (text) => JSON.stringify(JSON.stringify(text).slice(1, -1)).slice(1, -1),
  'JSON in ASCII': (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'C with the bytes of UTF-8': (text) =>
    text.replaceAll(/[\u0080-\u{10ffff}]/gu, (one) =>
      [...Buffer.from(one)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
    ),
  'Python bytes': (text) =>
    text.replaceAll(/[\u0080-\u{10ffff}]/gu, (one) =>
      [...Buffer.from(one)].map((byte) => `\\x${byte.toString(16)}`).join(''),
    ),
  shell: (text) => shellWords(['echo', text]).slice(5),
  'shell with backslashes': escapeAll,
  URL: url,
  form: (text) => url(text).replaceAll('%20', '+'),
  XML: (text) =>
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
  'XML by numbers': (text) => text.replaceAll(/[^A-Za-z0-9]/gu, (one) => `&#${one.codePointAt(0)};`),
  buildout: (text) => text.replaceAll('$', '$$$$'),
  ZConfig: (text) => text.replaceAll('$', '$$$$'),
  'ZConfig in buildout': (text) => text.replaceAll('$', '$$$$').replaceAll('$', '$$$$'),
  percent: (text) => text.replaceAll('%', '%%'),
  supervisor: (text) => text.replaceAll('%', '%%').replace(/(^|\s)(?=[;#])/g, '$1%(here).0s'),
  cron: (text) => text.replaceAll('%', '\\%'),
  systemd: (text) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$'),
  SQL: (text) => text.replaceAll("'", "''"),
  'continuation line': (text) => text.replaceAll('\n', '\n    '),
}

const special = [...' %$#;"\'\\{}<>&@:/+=?\n\tä€\u00a0😀', '%(here)s', `$${'{a}'}`]
const plain = [...'abcXYZ019']

t.test('masks a secret in URL base64 and hexadecimal', (t) => {
  const secret = 'pa$$w0rd/"x y%1&z<q>\u00ff\u00fe'
  const secrets = new Secrets()
  secrets.add(secret)
  const bytes = Buffer.from(secret)
  for (const form of [bytes.toString('hex'), bytes.toString('hex').toUpperCase(), bytes.toString('base64url')])
    t.match(secrets.mask(`before ${form} after`), /^before \*{8}.{0,2} after$/, form)
  t.end()
})

t.test('masks a secret in the spelling of each writer', (t) => {
  const part = fc.oneof(fc.constantFrom(...special), fc.constantFrom(...plain))
  const text = fc.array(part, { minLength: 6, maxLength: 24 }).map((parts) => parts.join('').trim())
  fc.assert(
    fc.property(
      text.filter(({ length }) => length >= 4),
      fc.constantFrom(...Object.keys(writers)),
      (secret, name) => {
        const secrets = new Secrets()
        secrets.add(secret)
        // The quotes of a shell may remain.
        return /^before\|'?\*{8}'?\|after$/.test(secrets.mask(`before|${writers[name]?.(secret)}|after`))
      },
    ),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('masks a secret without the blanks around it', (t) => {
  const secrets = new Secrets()
  secrets.add('trailing-secret\n')
  secrets.add(' leading-secret')
  t.match(secrets.mask('a trailing-secret, a leading-secret'), /^a ?\*{8}, a ?\*{8}$/)
  t.match(secrets.mask('a:trailing-secret, a:leading-secret'), /^a:\*{8}, a:\*{8}$/)
  t.end()
})

t.test('masks a secret in a header of basic authentication', (t) => {
  const secrets = new Secrets()
  secrets.add('pass-word:1')
  for (const user of ['a', 'ab', 'abc', 'admin'])
    t.notMatch(
      secrets.mask(`got ${Buffer.from(`${user}:pass-word:1`).toString('base64')}`),
      Buffer.from('pass-word').toString('base64').slice(2, 10),
    )
  t.match(secrets.mask(`got ${Buffer.from('abc:pass-word:1').toString('base64')}`), '********')
  t.end()
})

t.test('masks a long text in linear time', (t) => {
  const secrets = new Secrets()
  for (let i = 0; i < 20; i++) secrets.add(`s3cr%t ${'$#\\'.repeat(i)}${'$'.repeat(i)} ${i}`)
  const start = `s3cr%t ${'$#\\\\'.repeat(19)}${'$'.repeat(40)}`
  const text = `${`${start} `.repeat(500)}${'%$#\\ '.repeat(100_000)}\n${'x'.repeat(500_000)}`
  t.equal(secrets.mask(text), text)
  t.equal(secrets.maskForeign(text), text)
  t.end()
})

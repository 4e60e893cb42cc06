/** Tests certificate: self-signed, signed by a CA, or installed from given texts. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { certificate } from '../../../resources/certificates/certificate.ts'
import { makeKey } from '../../../resources/certificates/issue_certificate.ts'
import { certificateFacts, parseCertificate } from '../../../resources/certificates/parse_certificate.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { needs, scratch, selfSigned } from '../../support/machine.ts'

const [path, key] = ['/etc/ssl/shop.crt', '/etc/ssl/private/shop.key']
const ca = { certificate: '/etc/ssl/ca.crt', key: '/etc/ssl/ca.key' }
const seconds = () => Math.floor(Date.now() / 1000)

/** Runs the real openssl on copies of the virtual files. */
function opensslIn(directory: string): CommandHandler {
  return ([program, ...words], { input }, host) => {
    if (program !== 'openssl') return null
    // The real clock decides when the new certificate ends.
    host.clock = seconds()
    const copied = words.map((word) => {
      if (!word.startsWith('/')) return word
      mkdirSync(dirname(`${directory}${word}`), { recursive: true })
      writeFileSync(`${directory}${word}`, host.readText(word) ?? '')
      return `${directory}${word}`
    })
    const { status, stdout, stderr } = spawnSync('openssl', copied, { input: input ?? '', encoding: 'utf8' })
    return { status: status ?? 1, stdout, stderr }
  }
}

/** Makes certificates as earlier runs would have made them. */
function createPair(t: Parameters<typeof selfSigned>[0], name: string, days = 365) {
  const at = scratch(t)
  const key = makeKey('ec-256')
  writeFileSync(`${at}/key`, key)
  const args = ['req', '-x509', '-new', '-key', `${at}/key`, '-days', `${days}`, '-subj', `/CN=${name}`]
  const { stdout } = spawnSync(
    'openssl',
    [...args, '-addext', `subjectAltName=DNS:${name}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
    {
      encoding: 'utf8',
    },
  )
  return { key, certificate: stdout }
}

if (needs(t, ['openssl'])) {
  const host = { commands: opensslIn(scratch(t)) }
  const name = 'shop.example.com'
  const pair = createPair(t, name)
  const other = createPair(t, 'other.example.com')
  const authority = selfSigned(t, 'Own CA')
  const given =
    (files: Readonly<Record<string, string>> = {}) =>
    (host: VirtualHost) => {
      host.clock = seconds()
      host.given('/usr/bin/openssl', '').given('/etc/ssl/private', null)
      for (const [file, content] of Object.entries(files)) host.given(file, content, file === key ? '0600' : '0644')
    }
  const done = { [path]: pair.certificate, [key]: pair.key }
  const props = { path, key, names: [name] }
  const facts = (host: VirtualHost) => {
    const found = parseCertificate(host.readText(path) ?? '')
    if (found === null) throw new Error('no certificate')
    return certificateFacts(found)
  }
  /** A new certificate has another number each time. */
  const unpredictable = true

  contract(t, certificate, [
    {
      name: 'makes key and certificate',
      props: { path, key, names: ['Shop.example.com', '*.shop.example.com', '10.0.0.5', 'fe80::0:1'], days: 90 },
      host,
      given: given(),
      then(t, host) {
        const { expires, serial, ...others } = facts(host)
        t.strictSame(others, {
          commonName: 'Shop.example.com',
          names: ['*.shop.example.com', '10.0.0.5', 'fe80::1', 'shop.example.com'],
          days: 90,
          authority: false,
          issuerName: 'Shop.example.com',
        })
        t.equal(host.stat(key)?.mode, '0600')
        t.strictSame(host.list('/etc/ssl'), ['private', 'shop.crt'])
      },
    },
    { name: 'leaves a valid certificate unchanged', props, host, given: given(done), changes: [] },
    {
      name: 'makes a certificate for other names with the same key',
      props: { ...props, names: [name, 'www.example.com'] },
      host,
      given: given(done),
      changes: ['replace /serial', 'add /names/1 = "www.example.com"'],
      then: (t, host) => void t.equal(host.readText(key), pair.key),
    },
    {
      name: 'renews a certificate before its end',
      props,
      host,
      given(host) {
        given(done)(host)
        host.clock += 340 * 86_400
      },
      changes: ['replace /serial', 'replace /isDue = false'],
    },
    {
      name: 'replaces a certificate of another key',
      props,
      host,
      given: given({ ...done, [key]: other.key }),
      changes: ['replace /serial', 'replace /key = "matching"'],
      then: (t, host) => void t.equal(host.readText(key), other.key),
    },
    {
      name: 'replaces a damaged certificate',
      props,
      host,
      given: given({ ...done, [path]: pair.certificate.slice(0, 99) }),
      unpredictable,
    },
    {
      name: 'corrects mode and group',
      props: { ...props, keyMode: '0640', group: 'root' },
      host,
      given: given(done),
      changes: ['replace /keyAccess/mode = "0640"'],
      then: (t, host) => void t.equal(host.readText(path), pair.certificate),
    },
    {
      name: 'makes a CA certificate',
      props: { path, key, commonName: 'Own CA', authority: true, keyType: 'rsa-2048' },
      host,
      given: given(),
      then: (t, host) => void t.match(facts(host), { authority: true, commonName: 'Own CA', names: [] }),
    },
    {
      name: 'makes a certificate signed by a CA',
      props: { ...props, issuer: ca },
      host,
      given: given({ ...done, [ca.certificate]: authority.certificate, [ca.key]: authority.key }),
      changes: ['replace /serial', 'replace /issuer = "declared"'],
      then: (t, host) => void t.match(facts(host), { issuerName: 'Own CA' }),
    },
    {
      name: 'fails if the CA does not exist',
      props: { ...props, issuer: ca },
      host,
      given: given(),
      fails: /there is no CA at \/etc\/ssl\/ca\.crt/,
    },
    {
      name: 'installs a given pair of key and certificate',
      props: { path, key, content: pair },
      host,
      given: given({ [path]: other.certificate, [key]: other.key }),
      then(t, host) {
        t.equal(host.readText(path), pair.certificate)
        t.equal(host.readText(key), pair.key)
      },
    },
    {
      name: 'leaves an installed pair unchanged',
      props: { ...props, content: pair },
      host,
      given: given(done),
      changes: [],
    },
    {
      name: 'fails if the certificate is not for the key',
      props: { path, key, content: { ...pair, key: other.key } },
      host,
      given: given(done),
      fails: /key does not belong to the certificate/,
    },
    {
      name: 'fails if the certificate is for other names',
      props: { ...props, names: ['a.example.com'], content: pair },
      host,
      given: given(),
      fails: /not valid for a\.example\.com.*it has shop\.example\.com/,
    },
    {
      name: 'fails if the text is not a certificate',
      props: { path, key, content: { certificate: 'x', key: 'y' } },
      host,
      given: given(),
      fails: /is not in PEM/,
    },
    {
      name: 'fails if the key has a passphrase',
      props,
      host,
      given: given({ [key]: 'x' }),
      fails: /not a private key in PEM/,
    },
    {
      name: 'removes key and certificate',
      props: { path, key, absent: true },
      host,
      given: given(done),
      changes: ['replace /key = "absent"', 'replace /certificate = "absent"'],
      then: (t, host) => void t.strictSame([host.stat(path), host.stat(key)], [null, null]),
    },
    {
      name: 'fails if the directory does not exist',
      props: { ...props, path: '/none/x' },
      host,
      given: given(),
      fails: /directory \/none does not exist/,
    },
    {
      name: 'fails if openssl is not installed',
      props,
      given: (host) => void host.given('/etc/ssl/private', null),
      fails: /no program openssl/,
    },
  ])

  t.test('refuses to replace a certificate that it did not make, and warns before an installed one ends', async (t) => {
    const { VirtualHost } = await import('../../../core/host/virtual.ts')
    const signed = new VirtualHost(host)
    given({ ...done, [ca.certificate]: authority.certificate, [ca.key]: authority.key })(signed)
    await run(
      planOf((r) => certificate(r, { ...props, issuer: ca })),
      signed,
    )
    const file = signed.readText(path) ?? ''
    const stranger = new VirtualHost(host)
    given({ ...done, [path]: file })(stranger)
    t.match(
      failureOf(
        await run(
          planOf((r) => certificate(r, props)),
          stranger,
        ),
      ),
      { message: /another issuer/ },
    )
    t.equal(
      failureOf(
        await run(
          planOf((r) => certificate(r, props)),
          signed,
        ),
      ),
      undefined,
      'but its own it may replace',
    )

    const installed = new VirtualHost(host)
    given(done)(installed)
    installed.clock += 360 * 86_400
    const report = await run(
      planOf((r) => certificate(r, { path, key, content: pair })),
      installed,
    )
    t.match(report.warnings, [/shop\.crt is valid until \d{4}-\d\d-\d\d/])
    t.strictSame(patchOf(report), [])
  })

  t.test('refuses an invalid certificate', async (t) => {
    for (const wrong of [
      { names: [] },
      { names: ['a b'] },
      { names: ['a\nb'] },
      { names: ['https://a'] },
      { days: 10 },
      { commonName: 'a = $b' },
      { path: 'x' },
    ])
      t.throws(() => planOf((r) => certificate(r, { ...props, ...wrong })), JSON.stringify(wrong))
  })
}

/** Proves the hints of certificates. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { certificate } from '../../resources/certificates/certificate.ts'
import { certificateFacts, parseCertificate } from '../../resources/certificates/parse_certificate.ts'
import { directory } from '../../resources/files/directory.ts'
import { needs, selfSigned } from '../support/machine.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

if (needs(t, ['openssl'])) {
  const [path, key] = ['/etc/ssl/shop.crt', '/etc/ssl/shop.key']
  // The certificates of this helper are of a CA, without a subjectAltName, and valid for 2 days.
  const [pair, other] = [selfSigned(t, 'Shop'), selfSigned(t, 'Other')]
  const parsed = parseCertificate(pair.certificate)
  const expires = parsed === null ? 0 : certificateFacts(parsed).expires
  const commands: CommandHandler = ([program]) => (program === 'openssl' ? { stdout: pair.certificate } : null)
  const given = (host: VirtualHost) => {
    host.clock = expires - 86_400
    return host.given('/usr/bin/openssl', '').given('/etc/ssl', null).given(key, pair.key, '0600')
  }
  const props = { path, key, commonName: 'Shop', authority: true, days: 2, renewBefore: 0 }
  const made: Declare = (r) => certificate(r, props)
  const source = 'resources/certificates/certificate.ts'
  const common = { commands, given, broken: made }
  const withContent =
    (content: typeof pair, names: string[] = []): Declare =>
    (r) =>
      certificate(r, { path, key, names, content })

  proveResources(t, [
    {
      ...common,
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /etc/ssl/shop.crt /etc/ssl/shop.crt.old',
      given: (host) => given(host).given(path, null),
      repair: (host) => host.rename(path, `${path}.old`),
    },
    {
      ...common,
      source: 'resources/certificates/current_certificate.ts',
      hint: 'declare the CA before this: certificate(r, { authority: true, ... }), or correct the paths',
      given: (host) => given(host).given('/etc/ssl/ca.key', pair.key),
      broken: (r) => certificate(r, { ...props, issuer: { certificate: '/etc/ssl/none.crt', key: '/etc/ssl/ca.key' } }),
      repaired: (r) => {
        const ca = { certificate: '/etc/ssl/ca.crt', key: '/etc/ssl/ca.key' }
        certificate(r, { ...props, path: ca.certificate, key: ca.key })
        certificate(r, { ...props, issuer: ca })
      },
    },
    {
      ...common,
      source: 'resources/certificates/desired_certificate.ts',
      hint: 'declare the content of the files, which begin with -----BEGIN',
      broken: withContent({ certificate: '/etc/ssl/shop.crt', key: '/etc/ssl/shop.key' }),
      repaired: withContent(pair),
    },
    {
      ...common,
      source: 'resources/certificates/desired_certificate.ts',
      hint: 'declare the key with which the certificate was requested; of a chain, the certificate of this host must come first',
      broken: withContent({ ...pair, key: other.key }),
      repaired: withContent(pair),
    },
    {
      ...common,
      source: 'resources/certificates/desired_certificate.ts',
      hint: 'declare a certificate with these names, or correct names: it has none',
      broken: withContent(pair, ['shop.example.com']),
      repaired: withContent(pair),
    },
    {
      ...common,
      source,
      hint: 'declare it with directory() before this',
      broken: (r) => certificate(r, { ...props, path: '/data/shop.crt' }),
      repaired: (r) => {
        directory(r, { path: '/data' })
        certificate(r, { ...props, path: '/data/shop.crt' })
      },
    },
    {
      ...common,
      source,
      hint: "declare it before this: packages(r, { names: ['openssl'] })",
      given: (host) => {
        given(host)
        host.remove('/usr/bin/openssl')
      },
      repair: (host) => host.given('/usr/bin/openssl', ''),
    },
  ])
}

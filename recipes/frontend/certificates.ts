/** The certificates of the site: given in the attributes, or got from a certificate authority by certbot. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { formatPath, type KeyPath } from '../../core/node/path.ts'
import { shellWords } from '../../core/text/shell.ts'
import { cron } from '../../resources/cron.ts'
import { directory } from '../../resources/directory.ts'
import { execute } from '../../resources/execute.ts'
import { file } from '../../resources/file.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { PloneNode } from '../node.ts'
import { isSet } from '../plone/values.ts'
import { type Certificate, certificateFile, givenCertificate } from '../web/tls.ts'
import type { FrontendLayout } from './layout.ts'
import { domainsOf } from './nginx.ts'

/** The domains that answer with TLS, and the certificate they do it with; null for none. */
export interface Tls {
  readonly domains: readonly string[]
  readonly files: Certificate
  /** Where it depends on the host whether there is a certificate yet. */
  readonly onlyIf?: Check
}

/** Where a given certificate is, with its key; null where the site has no name. */
function pemPath(node: PloneNode, at: FrontendLayout): string | null {
  const [first] = domainsOf(node, at)
  return first === undefined ? null : `${at.nginx.certificates}/${first}.pem`
}

/** A given certificate goes before certbot's. */
export function tlsOf(node: PloneNode, at: FrontendLayout): Tls | null {
  const { certbot_domains } = node
  const path = pemPath(node, at)
  if (givenCertificate(at.own) !== null && path !== null)
    return { domains: domainsOf(node, at), files: { chain: path, key: path } }
  if (certbot_domains.length === 0) return null
  const chain = `${at.certbot.live}/fullchain.pem`
  return {
    domains: certbot_domains,
    files: { chain, key: `${at.certbot.live}/privkey.pem` },
    onlyIf: { description: 'certbot has got a certificate', check: (host) => host.stat(chain) !== null },
  }
}

/** Keeps the file of a given certificate; none where there is none. */
export function certificate(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): Handle[] {
  const content = givenCertificate(at.own)
  const tls = tlsOf(node, at)
  if (at.own.ssl_support === true && tls === null) reportWithoutTls(r, node, ['deploy', at.app, 'ssl_support'])
  if (content === null || tls === null) return []
  const { https_port: port } = node.converge.frontend
  return [certificateFile(r, at.nginx, { path: tls.files.chain, content, port })]
}

function reportWithoutTls(r: Recipe<PloneNode>, node: PloneNode, attribute: KeyPath): void {
  warnOfAttribute(r, node, {
    attribute,
    message: `${formatPath(attribute)} is true, but there is no TLS: the site has no certificate or no name`,
    hint: 'set ssl_certificate, ssl_certificate_key and domains beside it, set certbot_domains, or remove it',
  })
}

/** Takes it away with its key, once nginx needs it no more. */
export function noCertificate(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): void {
  const path = pemPath(node, at)
  if (path !== null) file(r, { path, absent: true })
}

/**
 * Gets the certificate for `certbot_domains`, once nginx answers for them, and keeps it fresh.
 * @param reload has nginx take a renewed certificate in
 */
export function certbotCertificate(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: FrontendLayout,
  reload: readonly string[],
): void {
  const { certbot_domains, certbot_email } = node
  if (certbot_domains.length === 0 || givenCertificate(at.own) !== null) return
  const { webroot, directory: own, live } = at.certbot
  const places = ['--config-dir', own, '--work-dir', `${own}/work`, '--logs-dir', `${own}/logs`]
  const elsewhere = at.system ? [] : places
  directory(r, { path: own, parents: true })
  const wanted = file(r, { path: `${own}/converge-domains`, content: `${certbot_domains.join('\n')}\n` })
  execute(r, {
    // Not by its domains: going back to those of before is news as well.
    name: `certificate for the site of ${at.app}`,
    command: [
      'certbot',
      'certonly',
      '--non-interactive',
      '--agree-tos',
      '--expand',
      '--webroot',
      '--webroot-path',
      webroot,
      '--cert-name',
      live.slice(live.lastIndexOf('/') + 1),
      ...(isSet(certbot_email) ? ['--email', certbot_email] : ['--register-unsafely-without-email']),
      ...certbot_domains.flatMap((domain) => ['--domain', domain]),
      '--deploy-hook',
      shellWords(reload),
      ...elsewhere,
    ],
    creates: `${live}/fullchain.pem`,
    // The name servers may not know this host yet: the site is served without TLS until then.
    ignoreFailure: true,
    when: [wanted],
  })
  // The package renews what is at its own place by itself.
  if (!at.system)
    cron(r, {
      name: `converge-certbot-${at.app}`,
      schedule: '17 3 * * *',
      command: shellWords(['certbot', 'renew', '--quiet', ...places]),
    })
}

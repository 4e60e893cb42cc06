/** Manages the certificates of the site: given in the attributes, or obtained by certbot. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { formatPath, type KeyPath } from '../../core/node/path.ts'
import { shellWords } from '../../core/text/shell.ts'
import { execute } from '../../resources/commands/execute.ts'
import { cron } from '../../resources/cron/cron.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { appCertificate } from '../web/app_certificate.ts'
import { type Certificate, certificateFile } from '../web/tls.ts'
import type { FrontendLayout } from './layout.ts'
import { domainsOf } from './nginx.ts'

/** The domains that answer with TLS, and their certificate. */
export interface Tls {
  readonly domains: readonly string[]
  readonly files: Certificate
  /** Condition on the host, if the certificate may not exist yet. */
  readonly onlyIf?: Check
}

/** Returns the path of a given certificate with its key; null if the site has no name. */
function pemPath(node: SiteNode, app: FrontendLayout): string | null {
  const [first] = domainsOf(node, app)
  return first === undefined ? null : `${app.nginx.certificates}/${first}.pem`
}

/** Returns the TLS settings; a given certificate takes precedence over certbot's. Null for none. */
export function tlsOf(node: SiteNode, app: FrontendLayout): Tls | null {
  const { certbot_domains } = node
  const path = pemPath(node, app)
  if (appCertificate(app.attributes) !== null && path !== null)
    return { domains: domainsOf(node, app), files: { chain: path, key: path } }
  if (certbot_domains.length === 0) return null
  const chain = `${app.certbot.live}/fullchain.pem`
  return {
    domains: certbot_domains,
    files: { chain, key: `${app.certbot.live}/privkey.pem` },
    onlyIf: { description: 'certbot has got a certificate', check: (host) => host.stat(chain) !== null },
  }
}

/** Writes the file of a given certificate, if there is one. */
export function certificate(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): Handle[] {
  const content = appCertificate(app.attributes)
  const tls = tlsOf(node, app)
  if (app.attributes.ssl_support === true && tls === null)
    reportWithoutTls(r, node, ['deploy', app.name, 'ssl_support'])
  if (content === null || tls === null) return []
  const { https_port: port } = node.converge.frontend
  return [certificateFile(r, app.nginx, { path: tls.files.chain, content, port })]
}

function reportWithoutTls(r: Recipe<SiteNode>, node: SiteNode, attribute: KeyPath): void {
  warnOfAttribute(r, node, {
    attribute,
    message: `${formatPath(attribute)} is true, but there is no TLS: the site has no certificate or no name`,
    hint: 'set ssl_certificate, ssl_certificate_key and domains beside it, set certbot_domains, or remove it',
  })
}

/** Removes the certificate with its key after nginx has stopped using it. */
export function noCertificate(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): void {
  const path = pemPath(node, app)
  if (path !== null) file(r, { path, absent: true })
}

/**
 * Obtains the certificate for `certbot_domains` after nginx answers for them, and renews it.
 * @param reload command that has nginx load a renewed certificate
 */
export function certbotCertificate(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: FrontendLayout,
  reload: readonly string[],
): void {
  const { certbot_domains, certbot_email } = node
  if (certbot_domains.length === 0 || appCertificate(app.attributes) !== null) return
  const { webroot, directory: own, live } = app.certbot
  const directoryOptions = ['--config-dir', own, '--work-dir', `${own}/work`, '--logs-dir', `${own}/logs`]
  const elsewhere = app.system ? [] : directoryOptions
  directory(r, { path: own, parents: true })
  const domainList = file(r, { path: `${own}/converge-domains`, content: `${certbot_domains.join('\n')}\n` })
  execute(r, {
    // The name leaves out the domains: a return to earlier domains is a change as well.
    name: `certificate for the site of ${app.name}`,
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
    // DNS may not point to this host yet: until then, the site is served without TLS.
    ignoreFailure: true,
    when: [domainList],
  })
  // The package renews certificates in its own directory automatically.
  if (!app.system)
    cron(r, {
      name: `converge-certbot-${app.name}`,
      schedule: '17 3 * * *',
      command: shellWords(['certbot', 'renew', '--quiet', ...directoryOptions]),
    })
}

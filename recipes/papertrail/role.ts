/** Defines the role papertrail: rsyslog sends the log of the host, and the logs of its programs, to a server through TLS. */
import { type Recipe, role } from '../../core/compile/role.ts'
import { file } from '../../resources/files/file.ts'
import { remote_file } from '../../resources/files/remote_file.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service } from '../../resources/services/service.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { requireSystem } from '../app/require_system.ts'
import { viewService } from '../app/service_view.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'
import { renderForwarding } from './forwarding.ts'
import { watchedFiles } from './watched_files.ts'

const name = 'papertrail'
const provider = { kind: 'systemd' } as const
const rsyslog = { name: 'rsyslog', ready: { kind: 'uptime' } } as const
/** Before the files of packages, which may discard messages, such as 49-haproxy.conf. */
const configFile = '/etc/rsyslog.d/10-converge-papertrail.conf'
const systemCertificates = '/etc/ssl/certs/ca-certificates.crt'

function configure(r: Recipe<SiteNode>, node: SiteNode): void {
  requireSystem(node, name)
  const { cert_file, cert_url } = node.papertrail
  requireComplete(node)
  const certificates =
    cert_url === null ? [] : [remote_file(r, { path: cert_file, url: cert_url, mode: '0644', owner: 'root' })]
  const config = file(r, {
    path: configFile,
    content: renderForwarding(node.papertrail, watchedFiles(node)),
    mode: '0644',
    owner: 'root',
    verify: {
      command: ['rsyslogd', '-N1', '-f', '%{path}'],
      inside: 'global(workDirectory="/var/spool/rsyslog")\ninclude(file="%{path}")\n',
    },
  })
  service_restart(r, { provider, services: [rsyslog], when: [...certificates, config] })
  service(r, { ...rsyslog, ...(node.facts.init === 'systemd' ? { enabled: true } : {}) })
}

/** @throws INVALID_ATTRIBUTE for a server without a port, and for certificates that would replace those of the system */
function requireComplete({ papertrail }: SiteNode): void {
  const values = new AttributeWriter()
  if (papertrail.remote_port === null)
    values.refuse('papertrail.remote_port', 'is not set', 'set it to the port of your log destination')
  if (papertrail.cert_url !== null && papertrail.cert_file === systemCertificates)
    values.refuse(
      'papertrail.cert_file',
      'is the file with the certificates of the system, which cert_url would replace',
      'set papertrail.cert_file to a file of its own, such as /etc/papertrail-bundle.pem',
    )
  values.check()
}

export default role<SiteNode>(name, {
  doc: 'Sends the logs of the host to Papertrail, or to another server that takes syslog through TLS',
  setup(r, node) {
    requireSystem(node, name)
    requireComplete(node)
    packages(r, { names: ['ca-certificates', 'rsyslog', 'rsyslog-gnutls'] })
  },
  configure,
  // A release may have programs that the one before had not.
  deploy: configure,
  undeploy(r, node) {
    requireSystem(node, name)
    service_restart(r, { provider, services: [rsyslog], when: [file(r, { path: configFile, absent: true })] })
  },
  async inspect(_node, host) {
    const services = [await viewService(host, { ...rsyslog, provider })]
    return { apps: [{ name, directory: '/etc', releases: [], unreleased: true, stopped: null, services }] }
  },
  checks: (node, host) => [rightsCheck(node, host, '/etc'), programCheck(host, 'rsyslogd', 'rsyslog')],
})

/** Defines the role newrelic: the infrastructure agent of New Relic, from its apt repository. */
import type { HostCheck, Inspection } from '../../core/compile/inspection.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Handle } from '../../core/model/resource.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { isWrittenBy } from '../../resources/files/queries.ts'
import { apt_repository } from '../../resources/packages/apt_repository.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service } from '../../resources/services/service.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { requireSystem } from '../app/require_system.ts'
import { viewService } from '../app/service_view.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import { agentConfig, hasAgent, hasFrontend, header, nginxIntegration } from './agent.ts'

const name = 'newrelic'
const unit = 'newrelic-infra'
const provider = { kind: 'systemd' } as const
const agent = { name: unit, ready: { kind: 'uptime' } } as const
const configPath = '/etc/newrelic-infra.yml'
const integrations = '/etc/newrelic-infra/integrations.d'
const nginxPath = `${integrations}/nginx-config.yml`
const owner = { owner: 'root', group: 'root' }

/** Calls `declare` where the agent is wanted; elsewhere stops an agent that converge has configured. */
function whereWanted(r: Recipe<SiteNode>, node: SiteNode, declare: () => void): void {
  requireSystem(node, name)
  if (hasAgent(node)) return declare()
  warnOfAttribute(r, node, {
    attribute: ['newrelic', 'infrastructure'],
    message: 'newrelic.infrastructure is false, so the role newrelic installs no agent',
    hint: 'set newrelic.infrastructure to true, or remove the role newrelic from the host',
  })
  r.given(isWrittenBy(configPath, header), (isOurs) => {
    if (isOurs) removeAgent(r, node)
  })
}

function removeAgent(r: Recipe<SiteNode>, node: SiteNode): void {
  service(r, { name: unit, action: 'stopped', ...startsWithHost(node, false) })
  removeNginxFile(r)
  file(r, { path: configPath, absent: true })
  apt_repository(r, { name: unit, absent: true })
}

function removeNginxFile(r: Recipe<SiteNode>): Handle[] {
  return r.given(isWrittenBy(nginxPath, header), (isOurs) =>
    isOurs ? [file(r, { path: nginxPath, absent: true })] : [],
  )
}

/** @throws NO_CODENAME for a distribution without one, which no suite of the repository has */
function suiteOf({ facts }: SiteNode): string {
  if (facts.platform.codename !== null) return facts.platform.codename
  throw new ConvergeError(
    'the distribution of this host has no codename, so no suite of the apt repository is for it',
    {
      code: 'NO_CODENAME',
      hint: 'set VERSION_CODENAME in /etc/os-release, or remove the role newrelic from the host',
      usage: true,
    },
  )
}

function setup(r: Recipe<SiteNode>, node: SiteNode): void {
  whereWanted(r, node, () => {
    // The package starts the agent, which needs its license.
    agentFile(r, node)
    const { uri, key, fingerprints, components } = node.newrelic.repository.infrastructure
    apt_repository(r, {
      name: unit,
      uris: [uri],
      suites: [suiteOf(node)],
      components,
      key: { url: key, fingerprints },
    })
    packages(r, { names: hasFrontend(node) ? [unit, 'nri-nginx'] : [unit] })
  })
}

function agentFile(r: Recipe<SiteNode>, node: SiteNode) {
  return file(r, { path: configPath, content: agentConfig(node), mode: '0600', ...owner, sensitive: true })
}

function configure(r: Recipe<SiteNode>, node: SiteNode): void {
  whereWanted(r, node, () => {
    const changed = [agentFile(r, node), ...(hasFrontend(node) ? nginxFiles(r, node) : removeNginxFile(r))]
    service_restart(r, { provider, services: [agent], when: changed })
    service(r, { ...agent, ...startsWithHost(node, true) })
  })
}

function nginxFiles(r: Recipe<SiteNode>, node: SiteNode) {
  directory(r, { path: integrations, parents: true, ...owner })
  return [file(r, { path: nginxPath, content: nginxIntegration(node), mode: '0644', ...owner })]
}

/** Sets whether systemd starts the agent with the host; init scripts have no such switch here. */
function startsWithHost({ facts }: SiteNode, enabled: boolean): { enabled?: boolean } {
  return facts.init === 'systemd' ? { enabled } : {}
}

async function inspect(node: SiteNode, host: HostReader): Promise<Inspection> {
  if (!hasAgent(node)) return { apps: [] }
  const services = [await viewService(host, { ...agent, provider })]
  return { apps: [{ name, directory: '/etc/newrelic-infra', releases: [], unreleased: true, services }] }
}

function checks(node: SiteNode, host: HostReader): HostCheck[] {
  return [rightsCheck(node, host, '/etc'), ...(hasAgent(node) ? [programCheck(host, unit, unit)] : [])]
}

const nothing = () => undefined

export default role<SiteNode>(name, {
  doc: 'The infrastructure agent of New Relic',
  setup,
  configure,
  restart(r, node) {
    requireSystem(node, name)
    if (hasAgent(node)) service_restart(r, { provider, services: [agent], force: node.run.id })
  },
  undeploy(r, node) {
    requireSystem(node, name)
    removeAgent(r, node)
  },
  inspect,
  checks,
  // The agent keeps running while the programs of other roles are stopped.
  events: { deploy: nothing, start: nothing, stop: nothing, shutdown: nothing },
})

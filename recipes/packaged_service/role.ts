/** Builds roles that run one service of a system package: setup installs it, configure writes its files and keeps it running. */
import type { HostCheck, Inspection } from '../../core/compile/inspection.ts'
import { type Recipe, type Role, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Handle } from '../../core/model/resource.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import { service } from '../../resources/services/service.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { requireSystem } from '../app/require_system.ts'
import { viewService } from '../app/service_view.ts'
import {
  endStop,
  readStop,
  recordStop,
  removeStopRecord,
  type StoppableApp,
  unlessDeployLeavesStopped,
  unlessStopped,
} from '../app/stopped.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'

export interface PackagedService {
  /** Name of the unit or init script, and of the record of a stop. */
  readonly name: string
  /** Package that contains it, or that it requires; null: none. */
  readonly packageName: string | null
  /** Program of the package, for `doctor`; null without a package. */
  readonly program: string | null
  readonly ready: ReadyProps
  /** Log whose end is displayed after a failed start; default: the log of its manager. */
  readonly log?: string
  /** Declares its configuration, and returns the resources whose change restarts it. */
  readonly files: (r: Recipe<SiteNode>) => readonly Handle[]
  /** Declares what requires the running service. */
  readonly afterStart?: (r: Recipe<SiteNode>) => void
  /** Declares what undeploy removes beside the service. */
  readonly remove?: (r: Recipe<SiteNode>) => void
}

const provider = { kind: 'systemd' } as const

/** @param serviceOf describes the service on a host; throws for attributes that do not fit together */
export function packagedServiceRole(
  name: string,
  doc: string,
  serviceOf: (node: SiteNode) => PackagedService,
): Role<SiteNode> {
  const onSystem = (node: SiteNode) => {
    requireSystem(node, name)
    return serviceOf(node)
  }
  const converge = (r: Recipe<SiteNode>, node: SiteNode) => applyConfiguration(r, node, onSystem(node))
  const keepUnitStopped = (r: Recipe<SiteNode>, node: SiteNode) => keepStopped(r, node, onSystem(node))
  return role<SiteNode>(name, {
    doc,
    setup(r, node) {
      const { packageName } = onSystem(node)
      if (packageName !== null) packages(r, { names: [packageName] })
    },
    configure: (r, node) =>
      unlessStopped(r, onSystem(node).name, {
        stopped: () => keepUnitStopped(r, node),
        otherwise: () => converge(r, node),
      }),
    deploy: (r, node) =>
      unlessDeployLeavesStopped(r, node, onSystem(node).name, {
        stopped: () => keepUnitStopped(r, node),
        otherwise: () => converge(r, node),
      }),
    start(r, node) {
      const unit = onSystem(node)
      endStop(r, stoppable(unit))
      run(r, node, unit)
    },
    stop(r, node) {
      recordStop(r, node, stoppable(onSystem(node)))
      keepUnitStopped(r, node)
    },
    shutdown: (r, node) => void service(r, { name: onSystem(node).name, action: 'stopped' }),
    restart(r, node) {
      const unit = onSystem(node)
      endStop(r, stoppable(unit), () => run(r, node, unit))
      service_restart(r, { provider, services: [serviceProps(unit)], force: node.run.id })
    },
    undeploy(r, node) {
      keepUnitStopped(r, node)
      const { name, remove } = onSystem(node)
      remove?.(r)
      removeStopRecord(r, name)
    },
    inspect: (node, host) => inspect(serviceOf(node), name, host),
    checks: (node, host) => checks(node, serviceOf(node), host),
  })
}

function stoppable({ name }: PackagedService): StoppableApp {
  return { name, supervisor: null }
}

function applyConfiguration(r: Recipe<SiteNode>, node: SiteNode, unit: PackagedService): void {
  const changed = unit.files(r)
  endStop(r, stoppable(unit))
  // It starts the service too, so that the first run does not start it twice.
  if (changed.length > 0) service_restart(r, { provider, services: [serviceProps(unit)], when: changed })
  run(r, node, unit)
  unit.afterStart?.(r)
}

function serviceProps({ name, ready, log }: PackagedService) {
  return omitUndefined({ name, ready, log })
}

function run(r: Recipe<SiteNode>, node: SiteNode, unit: PackagedService): void {
  service(r, { ...serviceProps(unit), ...startsWithHost(node, true) })
}

function keepStopped(r: Recipe<SiteNode>, node: SiteNode, { name }: PackagedService): void {
  service(r, { name, action: 'stopped', ...startsWithHost(node, false) })
}

/** Sets whether systemd starts the service with the host; init scripts have no such switch here. */
function startsWithHost({ facts }: SiteNode, enabled: boolean): { enabled?: boolean } {
  return facts.init === 'systemd' ? { enabled } : {}
}

async function inspect({ name, ready }: PackagedService, role: string, host: HostReader): Promise<Inspection> {
  const view = await viewService(host, { name, provider, ready })
  return {
    apps: [
      {
        name: role,
        directory: '/etc',
        releases: [],
        unreleased: true,
        stopped: readStop(host, name),
        services: [view],
      },
    ],
  }
}

function checks(node: SiteNode, { program, packageName }: PackagedService, host: HostReader): HostCheck[] {
  const rights = rightsCheck(node, host, '/etc')
  return program === null || packageName === null ? [rights] : [rights, programCheck(host, program, packageName)]
}

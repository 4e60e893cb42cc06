/** Selects the service manager for a provider on this host. */
import type { Host, HostReader } from '../../../core/host/types.ts'
import { SupervisorReader } from '../../supervisor/client.ts'
import { SupervisorServiceReader, SupervisorServices } from './supervisor.ts'
import { InitScripts, InitScriptsReader, runsSystemd, Systemd, SystemdReader } from './system.ts'
import type { Provider, ServiceManager, ServiceReader } from './types.ts'

export function serviceReader(host: HostReader, provider: Provider): ServiceReader {
  if (provider.kind === 'supervisor')
    return new SupervisorServiceReader(host, new SupervisorReader(host, provider.socket))
  return runsSystemd(host) ? new SystemdReader(host) : new InitScriptsReader(host)
}

export function serviceManager(host: Host, provider: Provider): ServiceManager {
  if (provider.kind === 'supervisor') return new SupervisorServices(host, provider.socket)
  return runsSystemd(host) ? new Systemd(host) : new InitScripts(host)
}

/** What status shows of the front end. */
import type { Inspection, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { readerOf } from '../../resources/services/manager.ts'
import type { PloneNode } from '../node.ts'
import { type FrontendLayout, frontendLayout } from './layout.ts'
import { nameOf, parts, providerOf } from './programs.ts'

export async function inspect(node: PloneNode, host: HostReader): Promise<Inspection> {
  const at = frontendLayout(node)
  const services = await Promise.all(parts.map((part) => viewOf(host, at, nameOf(at, part))))
  return {
    apps: [
      {
        name: 'frontend',
        directory: at.nginx.config.replace(/\/[^/]*$/, ''),
        releases: [],
        unreleased: true,
        services,
      },
    ],
  }
}

async function viewOf(host: HostReader, at: FrontendLayout, name: string): Promise<ServiceView> {
  const { state, detail, pid } = await readerOf(host, providerOf(at)).status(name)
  return { name, state, up: state === 'running', detail: detail || (pid > 0 ? `pid ${pid}` : '') }
}

/** What status, releases and doctor show of a buildout app. */
import type { AppView, Inspection, Need } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases } from '../../resources/releases.ts'
import type { PloneNode } from '../node.ts'
import { aptGet, programNeed, repositoryNeed, rights, servicesOf, viewOf } from '../releases/inspect.ts'
import { type Layout, layout } from './layout.ts'
import { programsOf } from './running.ts'
import type { BuildoutRole } from './types.ts'

export async function inspect(node: PloneNode, role: BuildoutRole, host: HostReader): Promise<Inspection> {
  const at = layout(node, role)
  const releases = listReleases(host, at.releases, at.current)
  const live = releases.find((release) => release.current)
  const names = programsOf(node, at, live).map(({ name }) => name)
  const app: AppView = {
    name: at.app,
    directory: at.deployTo,
    releases: releases.map(viewOf),
    services: await servicesOf(host, at.supervisor.socket, names),
  }
  return { apps: [app], needs: await needs(node, at, host) }
}

async function needs(node: PloneNode, at: Layout, host: HostReader): Promise<Need[]> {
  const apt = aptGet(host)
  const { python } = at.build
  const list = [
    rights(node, at, host),
    programNeed(host, 'git', 'git'),
    programNeed(host, python, 'python3'),
    await venv(host, python, apt),
  ]
  if (at.system) list.push(programNeed(host, 'supervisord', 'supervisor'))
  if (at.role === 'zeo-server') list.push(programNeed(host, 'crontab', 'cron'))
  list.push(repositoryNeed(at))
  return list
}

async function venv(host: HostReader, python: string, apt: string): Promise<Need> {
  const what = 'python venv'
  const remedy = `${apt} python3-venv`
  if (host.which(python) === null) return { what, met: false, detail: `without ${python} none`, remedy }
  const { status } = await host.query([python, '-c', 'import venv, ensurepip'], { accept: 'any' })
  return {
    what,
    met: status === 0,
    detail: status === 0 ? 'can be made' : 'the modules venv and ensurepip are missing',
    remedy,
  }
}

/** What status, releases and doctor show of a buildout app. */
import type { AppView, Inspection, Need, ReleaseView, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases, type Release } from '../../resources/releases.ts'
import { isDown, SupervisorReader } from '../../resources/supervisor/client.ts'
import type { PloneNode } from '../node.ts'
import { type Layout, layout } from './layout.ts'
import { programsOf } from './running.ts'
import type { BuildoutRole } from './types.ts'

export async function inspect(node: PloneNode, role: BuildoutRole, host: HostReader): Promise<Inspection> {
  const at = layout(node, role)
  const app: AppView = {
    name: at.app,
    directory: at.deployTo,
    releases: listReleases(host, at.releases, at.current).map(viewOf),
    services: await services(node, at, host),
  }
  return { apps: [app], needs: await needs(node, at, host) }
}

/** Field by field: what is recorded with a release holds the environment of its programs, and with it secrets. */
function viewOf({ id, commit, revision, created, by, complete, current }: Release): ReleaseView {
  return {
    id,
    commit: commit ?? 'unknown',
    revision: revision ?? '',
    created: created ?? '',
    by: by ?? '',
    complete,
    current,
  }
}

async function services(node: PloneNode, at: Layout, host: HostReader): Promise<ServiceView[]> {
  const processes = await running(host, at.supervisor.socket)
  const live = listReleases(host, at.releases, at.current).find((release) => release.current)
  return programsOf(node, at, live).map(({ name }) => {
    const process = processes?.find((one) => one.group === name)
    if (process)
      return {
        name,
        state: process.state,
        up: process.state === 'RUNNING',
        detail: process.spawnError || (process.pid > 0 ? `pid ${process.pid}` : ''),
      }
    const detail =
      processes === null ? `supervisord is not running (${at.supervisor.socket})` : 'supervisord does not know it'
    return { name, state: 'absent', up: false, detail }
  })
}

/** Null where no supervisord runs. */
async function running(host: HostReader, socket: string) {
  try {
    return await new SupervisorReader(host, socket).getAllProcessInfo()
  } catch (error) {
    if (isDown(error)) return null
    throw error
  }
}

async function needs(node: PloneNode, at: Layout, host: HostReader): Promise<Need[]> {
  const apt = host.isRoot ? 'apt-get install' : 'sudo apt-get install'
  const program = (name: string, packageName: string): Need => {
    const path = host.which(name)
    return { what: name, met: path !== null, detail: path ?? 'not on the PATH', remedy: `${apt} ${packageName}` }
  }
  const { python } = at.build
  const list = [
    rights(node, at, host),
    program('git', 'git'),
    program(python, 'python3'),
    await venv(host, python, apt),
  ]
  if (at.system) list.push(program('supervisord', 'supervisor'))
  if (at.role === 'zeo-server') list.push(program('crontab', 'cron'))
  list.push({
    what: `deploy.${at.app}.scm.repository`,
    met: Boolean(at.own.scm?.repository),
    detail: at.own.scm?.repository ? 'is set' : 'is not set: there is nothing to deploy',
    remedy: `{"deploy": {"${at.app}": {"scm": {"scm_type": "git", "repository": "..."}}}} in a file given with --json`,
  })
  return list
}

function rights(node: PloneNode, at: Layout, host: HostReader): Need {
  const { prefix } = node.converge
  const what = 'rights'
  if (host.isRoot) return { what, met: true, detail: 'root' }
  if (prefix === '/')
    return {
      what,
      met: false,
      detail: `${host.self.name} may not change the system`,
      remedy: 'run as root (sudo converge ...), or give --prefix DIR',
    }
  let existing = at.deployTo
  while (host.stat(existing) === null && existing !== '') existing = existing.slice(0, existing.lastIndexOf('/'))
  const met = host.writable(existing || '/')
  return {
    what,
    met,
    detail: met ? `below ${prefix}` : `${existing || '/'} is not writable for ${host.self.name}`,
    remedy: `mkdir -p ${prefix} && chown ${host.self.name} ${prefix}`,
  }
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

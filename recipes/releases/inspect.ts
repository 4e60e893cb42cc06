/** What status, releases and doctor show of any app. */
import type { Need, ReleaseView, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Release } from '../../resources/releases.ts'
import { isDown, SupervisorReader } from '../../resources/supervisor/client.ts'
import type { PloneNode } from '../node.ts'
import type { AppLayout } from './layout.ts'

/** Field by field: what is recorded with a release holds the environment of its programs, and with it secrets. */
export function viewOf({ id, commit, revision, created, by, complete, current }: Release): ReleaseView {
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

/** Programs of supervisord, by name. */
export async function servicesOf(host: HostReader, socket: string, names: readonly string[]): Promise<ServiceView[]> {
  const processes = await running(host, socket)
  return names.map((name) => {
    const process = processes?.find((one) => one.group === name)
    if (process)
      return {
        name,
        state: process.state,
        up: process.state === 'RUNNING',
        detail: process.spawnError || (process.pid > 0 ? `pid ${process.pid}` : ''),
      }
    const detail = processes === null ? `supervisord is not running (${socket})` : 'supervisord does not know it'
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

export function aptGet(host: HostReader): string {
  return host.isRoot ? 'apt-get install' : 'sudo apt-get install'
}

/** A program that has to be there, and the package it comes with. */
export function programNeed(host: HostReader, name: string, packageName: string): Need {
  const path = host.which(name)
  const remedy = `${aptGet(host)} ${packageName}`
  return { what: name, met: path !== null, detail: path ?? 'not on the PATH', remedy }
}

export function repositoryNeed(at: AppLayout): Need {
  return {
    what: `deploy.${at.app}.scm.repository`,
    met: Boolean(at.own.scm?.repository),
    detail: at.own.scm?.repository ? 'is set' : 'is not set: there is nothing to deploy',
    remedy: `{"deploy": {"${at.app}": {"scm": {"scm_type": "git", "repository": "..."}}}} in a file given with --json`,
  }
}

export function rights(node: PloneNode, at: AppLayout, host: HostReader): Need {
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

/** What status and releases show of any app. */
import type { ReleaseView, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Release } from '../../resources/releases.ts'
import { isDown, SupervisorReader } from '../../resources/supervisor/client.ts'

/** Field by field: what is recorded with a release holds the environment of its programs, and with it secrets. */
export function viewOf(release: Release): ReleaseView {
  const { id, commit, revision, created, by, complete, current, previous, failed } = release
  return {
    id,
    commit: commit ?? 'unknown',
    revision: revision ?? '',
    created: created ?? '',
    by: by ?? '',
    complete,
    current,
    previous,
    failed,
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

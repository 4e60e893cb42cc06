/** Reports releases and programs of an app for `status` and `releases`. */
import type { ReleaseView, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { readCommitSubjects } from '../../resources/git/commit_subjects.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { SupervisorServiceReader, toServiceStatus } from '../../resources/services/managers/supervisor.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import type { ProcessInfo } from '../../resources/supervisor/answers.ts'
import { isSupervisorDown, SupervisorReader } from '../../resources/supervisor/client.ts'
import type { App } from './app.ts'
import { currentReadiness } from './service_view.ts'

/** Returns the releases of an app, each with the subject of its commit if the mirror has it. */
export async function viewsOf(
  host: HostReader,
  { shared, account }: Pick<App, 'shared' | 'account'>,
  releases: readonly Release[],
): Promise<ReleaseView[]> {
  const commits = releases.flatMap(({ commit }) => commit ?? [])
  const subjects = await readCommitSubjects(host, `${shared}/repo.git`, account, commits)
  return releases.map((release) => {
    const subject = subjects.get(release.commit ?? '')
    return { ...viewOf(release), ...omitUndefined({ subject }) }
  })
}

/** Copies single fields of a release: its record contains the environment of its programs, and with it secrets. */
function viewOf(release: Release): ReleaseView {
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

/** A program of supervisord with its readiness test. */
export interface ViewedProgram {
  readonly name: string
  readonly ready?: ReadyProps
}

/** Returns programs of supervisord, each with its readiness. */
export async function servicesOf(
  host: HostReader,
  socket: string,
  programs: readonly ViewedProgram[],
): Promise<ServiceView[]> {
  const rpc = new SupervisorReader(host, socket)
  const processes = await readRunning(rpc)
  const reader = new SupervisorServiceReader(host, rpc)
  return Promise.all(
    programs.map(async ({ name, ready }) => {
      const process = processes?.find((info) => info.group === name)
      if (process) return { name, ...(await viewProcess(host, reader, process, ready)) }
      const detail = processes === null ? `supervisord is not running (${socket})` : 'supervisord does not know it'
      return { name, state: 'absent', up: false, readiness: 'down' as const, detail }
    }),
  )
}

async function viewProcess(
  host: HostReader,
  reader: SupervisorServiceReader,
  process: ProcessInfo,
  ready: ReadyProps | undefined,
) {
  const { name, state, spawnError, pid } = process
  const status = toServiceStatus(process)
  const [readiness, problem] = await currentReadiness(host, { name, reader, status, ready })
  const detail = problem ?? (spawnError || (pid > 0 ? `pid ${pid}` : ''))
  return { state, up: readiness === 'up', readiness, detail }
}

/** Returns the running programs; null if no supervisord runs. */
async function readRunning(rpc: SupervisorReader) {
  try {
    return await rpc.getAllProcessInfo()
  } catch (error) {
    if (isSupervisorDown(error)) return null
    throw error
  }
}

/** The events of a buildout app beside setup and deploy. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { HostReader } from '../../core/host/types.ts'
import { milliseconds } from '../../core/model/units.ts'
import { cron } from '../../resources/cron.ts'
import { directory } from '../../resources/directory.ts'
import { file } from '../../resources/file.ts'
import { listReleases, type Release, rollbackTarget } from '../../resources/releases.ts'
import { service } from '../../resources/service.ts'
import { supervisor_cleanup } from '../../resources/supervisor_cleanup.ts'
import { symlink } from '../../resources/symlink.ts'
import type { PloneNode } from '../node.ts'
import { cleanup, hasCrontab, hold, jobName, type RecordedProgram, run } from './deploy.ts'
import { type Layout, layout } from './layout.ts'
import { type Program, programs } from './programs.ts'
import type { BuildoutRole } from './types.ts'

/** Stops what runs and removes the app; what is below `shared` stays, unless --purge says otherwise. */
export function undeploy(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  supervisor_cleanup(r, cleanup(node, at, []))
  if (role === 'zeo-server')
    for (const name of ['pack', 'backup'])
      cron(r, {
        name: jobName(at, name),
        absent: true,
        ...(at.account.user ? { user: at.account.user } : {}),
        ...(at.system ? {} : { onlyIf: hasCrontab }),
      })
  if (at.system) file(r, { path: `/etc/logrotate.d/converge-${at.app}`, absent: true })
  symlink(r, { path: at.current, absent: true })
  directory(r, { path: node.run.options.purge === true ? at.deployTo : at.releases, absent: true })
}

/** Keeps every program of the app stopped or running. */
export function keep(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole, action: 'running' | 'stopped'): void {
  const at = layout(node, role)
  const provider = { kind: 'supervisor' as const, socket: at.supervisor.socket }
  const all = currentPrograms(node, at)
  for (const { name } of action === 'stopped' ? [...all].reverse() : all) service(r, { name, action, provider })
}

/** Restarts every program, one after the other, whether something has changed or not. */
export function restart(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  run(r, node, at, currentPrograms(node, at), { force: node.run.id })
}

/** What runs now is what belongs to the current release: its own programs, where it has them recorded. */
function currentPrograms(node: PloneNode, at: Layout): readonly Program[] {
  const current = releasesOf(node, at).find((release) => release.current)
  return (current && recordedPrograms(current)) ?? programs(node, at.role, { deployTo: at.deployTo })
}

/**
 * Makes another complete release current: the one before, or the one named, older or newer.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function rollback(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  const { to } = node.run.options
  const releases = releasesOf(node, at)
  const target = rollbackTarget(releases, typeof to === 'string' ? to : undefined)
  const left = releases.find((release) => release.current)
  // Forward, nothing is to be kept from coming back.
  hold(r, at, left !== undefined && target.id < left.id && inputsOf(left) !== inputsOf(target) ? inputsOf(left) : null)
  const current = symlink(r, { path: at.current, target: target.path, ...at.owner })
  run(r, node, at, recordedPrograms(target) ?? programs(node, role, { deployTo: at.deployTo }), {
    when: [current],
  })
}

function releasesOf(node: PloneNode, at: Layout): readonly Release[] {
  const host: HostReader | null = node.run.host
  return host === null ? [] : listReleases(host, at.releases, at.current)
}

/** Digest of the configuration a release was built with; null where it is not known. */
function inputsOf({ record }: Release): string | null {
  return typeof record === 'object' && record !== null && 'inputs' in record && typeof record.inputs === 'string'
    ? record.inputs
    : null
}

function recordedPrograms(release: Release): readonly Program[] | undefined {
  const { record } = release
  if (typeof record !== 'object' || record === null || !('programs' in record) || !Array.isArray(record.programs))
    return undefined
  return (record.programs as RecordedProgram[]).map(({ delay, port, ...program }) => ({
    ...program,
    delay: milliseconds(delay),
    ...(port === null ? {} : { port }),
  }))
}

/** Installs and removes the hooks: the units of systemd or the jobs of cron that call converge on this host. */
import type { HookOptions, Hooks } from '../../core/cli/catalogue.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import { securePath } from '../../core/model/secure_path.ts'
import { execute } from '../../resources/commands/execute.ts'
import { cron } from '../../resources/cron/cron.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { hasProgram } from '../../resources/files/queries.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { service } from '../../resources/services/service.ts'
import type { SiteNode } from '../node.ts'
import { configureJob, jobs, setupJob } from './jobs.ts'
import { showHooks } from './show.ts'
import { configureTimer, configureUnit, setupUnit, shutdownUnit, unitDirectory, units } from './units.ts'

export function hooks(options: HookOptions): Hooks<SiteNode> {
  return {
    role: role<SiteNode>('hooks', {
      doc: 'The events of this host, called by its own scheduler',
      events: {
        hooks_install: (r, node) => (hasUnits(node) ? installUnits(r, options) : installJobs(r, node, options)),
        hooks_remove: (r, node) => removeHooks(r, node, options),
      },
    }),
    show: (node, host) => showHooks(host, { options, usesUnits: hasUnits(node) }),
  }
}

/** Decides between units and cron: only root can install units of the system. */
function hasUnits({ facts }: SiteNode): boolean {
  return facts.init === 'systemd' && facts.uid === 0
}

const reloadName = 'systemd reads the units of converge'

function installUnits(r: Recipe<SiteNode>, options: HookOptions): void {
  // The host may have used cron before: only one of the two may call converge.
  removeCronFiles(r)
  const handles = units(options).map(({ name, text, wantedBy }) => {
    const path = `${unitDirectory}/${name}`
    const unit = file(r, { path, content: text, mode: '0644', owner: 'root', group: 'root' })
    if (wantedBy !== undefined) {
      directory(r, { path: wantsOf(wantedBy), mode: '0755' })
      symlink(r, { path: linkOf(name, wantedBy), target: path })
    }
    return { name, unit }
  })
  execute(r, { name: reloadName, command: ['systemctl', 'daemon-reload'], when: handles.map(({ unit }) => unit) })
  service(r, { name: configureTimer })
  service(r, { name: shutdownUnit })
  // A running timer keeps the interval with which it was started: restart it.
  const timers = handles.filter(({ name }) => name === configureTimer).map(({ unit }) => unit)
  execute(r, {
    name: 'the timer of converge takes its interval',
    command: ['systemctl', 'restart', configureTimer],
    when: timers,
  })
}

function linkOf(name: string, wantedBy: string): string {
  return `${wantsOf(wantedBy)}/${name}`
}

function wantsOf(target: string): string {
  return `${unitDirectory}/${target}.wants`
}

function installJobs(r: Recipe<SiteNode>, { facts }: SiteNode, options: HookOptions): void {
  const reason = facts.init === 'systemd' ? 'only root can install units of systemd' : 'no systemd runs on this host'
  if (facts.uid === 0) removeUnits(r, options)
  r.note(`${reason}: cron runs setup and configure, and nothing runs shutdown before the host goes down`)
  for (const { name, schedule, command } of jobs(options))
    cron(r, { name, schedule, command, environment: { PATH: securePath } })
}

/** Removes units and jobs: the host may have had another init system. */
function removeHooks(r: Recipe<SiteNode>, node: SiteNode, options: HookOptions): void {
  const usesUnits = hasUnits(node)
  // Stop services that wait for this run or for a retry: they must not start after it. None of them is running a
  // converge, because this run has the lock.
  if (usesUnits)
    for (const name of [configureTimer, setupUnit, configureUnit, shutdownUnit]) service(r, { name, action: 'stopped' })
  if (node.facts.uid === 0) {
    const removed = removeUnits(r, options)
    if (usesUnits) {
      execute(r, { name: reloadName, command: ['systemctl', 'daemon-reload'], when: removed })
      // systemd would list a failed unit until the next boot, even though the unit no longer exists.
      // Use patterns: systemctl refuses names of units that no longer exist.
      const patterns = [setupUnit, configureUnit, shutdownUnit].map((name) => name.replace(/service$/, '*'))
      const command = ['systemctl', 'reset-failed', ...patterns]
      execute(r, { name: 'systemd forgets the units of converge', command, when: removed })
    }
    removeCronFiles(r)
  } else
    r.given(hasProgram('crontab'), (isThere) => {
      if (isThere) for (const name of [setupJob, configureJob]) cron(r, { name, absent: true })
    })
  file(r, { path: options.stamp, absent: true })
}

function removeUnits(r: Recipe<SiteNode>, options: HookOptions) {
  return units(options).flatMap(({ name, wantedBy }) => {
    if (wantedBy !== undefined) symlink(r, { path: linkOf(name, wantedBy), absent: true })
    return file(r, { path: `${unitDirectory}/${name}`, absent: true })
  })
}

function removeCronFiles(r: Recipe<SiteNode>): void {
  for (const name of [setupJob, configureJob]) file(r, { path: `/etc/cron.d/${name}`, absent: true })
}

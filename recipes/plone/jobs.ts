/** Declares the cron jobs of a buildout app: packing and backup of its database, and those in its buildout. */
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { Check, CommonOptions } from '../../core/model/resource.ts'
import { shellWord } from '../../core/text/shell.ts'
import { cron } from '../../resources/cron/cron.ts'
import { release_crontab } from '../../resources/cron/release_crontab.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { packsRelstorage } from './relational_upkeep.ts'
import { jobRunner, upkeepCommand, upkeepFiles } from './upkeep.ts'

interface Job {
  readonly name: string
  readonly isEnabled: boolean
  /** Default schedule, if the buildout has none. */
  readonly schedule: string
  /** Shell command, if the buildout has none. */
  readonly command: string
  /** Buildout part that schedules the job. */
  readonly part?: string
}

/** Declares each job of the current release once, with the schedule of the site's buildout if it has one. */
export function scheduleJobs(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  release: string | Reference<string>,
  guard: CommonOptions = {},
): void {
  const jobs = jobsOf(node, app)
  if (jobs.some(({ isEnabled: on }) => on) || app.role === 'zeo-server') upkeepFiles(r, node, app, guard)
  for (const one of jobs) declareJob(r, app, { ...one, ...(one.isEnabled ? { release } : {}) }, guard)
  declareCrontab(r, app, { release, except: jobs.flatMap(({ part }) => part ?? []) }, guard)
}

function jobsOf(node: SiteNode, app: BuildoutApp): Job[] {
  if (app.role === 'zeo-server') return serverJobs(node, app)
  return app.role === 'zeo-client' && node.plone_instances.enable_relstorage ? relstorageJobs(node, app) : []
}

function serverJobs({ plone_zeoserver: { enable_pack, enable_backup } }: SiteNode, app: BuildoutApp): Job[] {
  return [
    serverJob('pack', enable_pack, '0 1 * * 7', 'zeopack'),
    serverJob('backup', enable_backup, '0 21 * * *', 'backup'),
  ]
  function serverJob(name: string, on: boolean, schedule: string, program: string): Job {
    const command = `${jobRunner(app, name)} ${shellWord(`${app.current}/bin/${program}`)}`
    return { name, isEnabled: on, schedule, command, part: `${name}cronjob` }
  }
}

/**
 * Returns the jobs of the one host that packs the database: the stages of the packing, and a backup. A site whose stages
 * refer to the part zodbpack installs that part as well, so the parts that do not run are named too.
 */
function relstorageJobs(node: SiteNode, app: BuildoutApp): Job[] {
  const { backup, truncate_refs, pack_gc, two_stage_pack } = node.plone_instances.relstorage
  const on = packsRelstorage(node, app)
  const action = (name: string) => [...upkeepCommand(app), name].map(shellWord).join(' ')
  const stage = (name: string, part: string, isOn: boolean, schedule: string): Job => ({
    name,
    part,
    schedule,
    isEnabled: on && isOn,
    command: action('pack'),
  })
  return [
    stage('pack', 'zodbpack', !two_stage_pack, '0 23 * * 7'),
    stage('prepack', 'zodbpack-prepack', two_stage_pack, '0 23 * * 6'),
    stage('pack-stage', 'zodbpack-pack', two_stage_pack, '0 23 * * 7'),
    stage('clear-refs', 'zodb-clear-refs', pack_gc && truncate_refs, '0 9 * * 3'),
    { name: 'backup', isEnabled: on && backup.enabled, schedule: '0 21 * * *', command: action('backup') },
  ]
}

/** Removes the jobs of the app. */
export function removeJobs(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  for (const one of jobsOf(node, app)) declareJob(r, app, { ...one, isEnabled: false }, {})
  declareCrontab(r, app, {}, {})
}

interface ReleaseJob extends Job {
  readonly release?: string | Reference<string>
}

function declareJob(r: Recipe<SiteNode>, app: BuildoutApp, declared: ReleaseJob, guard: CommonOptions): void {
  const { name, isEnabled: on, schedule, part: partName, release } = declared
  const log = `${app.shared}/var/log/${name}.log`
  const runner = jobRunner(app, name)
  const command = `${declared.command} >> ${shellWord(log)} 2>&1`
  // An ordinary user's host may lack cron, which must not fail a deploy.
  const options = app.system ? guard : { ...guard, onlyIf: both(guard.onlyIf, hasCrontab) }
  const { current } = app
  const part =
    release === undefined || partName === undefined ? {} : { part: { name: partName, release, current, log, runner } }
  const action = on ? { schedule, command, ...part } : { absent: true }
  cron(r, { name: `converge-${app.name}-${name}`, ...userOf(app), ...action, ...options })
}

function declareCrontab(
  r: Recipe<SiteNode>,
  app: BuildoutApp,
  jobs: { readonly release?: string | Reference<string>; readonly except?: string[] },
  guard: CommonOptions,
): void {
  release_crontab(r, { releases: app.releases, current: app.current, ...jobs, ...userOf(app), ...guard })
}

function userOf({ account: { user } }: BuildoutApp) {
  return omitUndefined({ user })
}

const hasCrontab: Check = {
  description: 'this host has crontab',
  check: (host) => host.which('crontab') !== null,
}

function both(first: CommonOptions['onlyIf'], second: Check): Check {
  if (typeof first !== 'object') return second
  return {
    description: `${first.description} and ${second.description}`,
    check: async (host) => (await first.check(host)) && second.check(host),
  }
}

/** Declares the cron jobs of a buildout app: packing and backup of the ZEO server, and those in its buildout. */
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { Check, CommonOptions } from '../../core/model/resource.ts'
import { shellWord } from '../../core/text/shell.ts'
import { cron } from '../../resources/cron/cron.ts'
import { release_crontab } from '../../resources/cron/release_crontab.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { jobRunner, upkeepFiles } from './upkeep.ts'

interface Job {
  readonly name: string
  readonly on: boolean
  /** Default schedule, if the buildout has none. */
  readonly schedule: string
  readonly program: string
}

/** Returns the name of the buildout part that schedules a job. */
const partOf = (job: string) => `${job}cronjob`

/** Declares each job of the current release once, with the schedule of the site's buildout if it has one. */
export function scheduleJobs(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  release: string | Reference<string>,
  guard: CommonOptions = {},
): void {
  const isServer = app.role === 'zeo-server'
  if (isServer) upkeepFiles(r, node, app, guard)
  if (isServer) for (const one of serverJobs(node)) job(r, app, { ...one, ...(one.on ? { release } : {}) }, guard)
  crontab(r, app, { release, except: isServer ? serverJobs(node).map(({ name }) => partOf(name)) : [] }, guard)
}

function serverJobs({ plone_zeoserver: { enable_pack, enable_backup } }: SiteNode): Job[] {
  return [
    { name: 'pack', on: enable_pack, schedule: '0 1 * * 7', program: 'zeopack' },
    { name: 'backup', on: enable_backup, schedule: '0 21 * * *', program: 'backup' },
  ]
}

/** Removes the jobs of the app. */
export function removeJobs(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  if (app.role === 'zeo-server') for (const one of serverJobs(node)) job(r, app, { ...one, on: false }, {})
  crontab(r, app, {}, {})
}

interface ReleaseJob extends Job {
  readonly release?: string | Reference<string>
}

function job(r: Recipe<SiteNode>, app: BuildoutApp, declared: ReleaseJob, guard: CommonOptions): void {
  const { name, on, schedule, program, release } = declared
  const log = `${app.shared}/var/log/${name}.log`
  const runner = jobRunner(app, name)
  const command = `${runner} ${shellWord(`${app.current}/bin/${program}`)} >> ${shellWord(log)} 2>&1`
  // An ordinary user's host may lack cron, which must not fail a deploy.
  const options = app.system ? guard : { ...guard, onlyIf: both(guard.onlyIf, hasCrontab) }
  const part = release === undefined ? {} : { part: { name: partOf(name), release, current: app.current, log, runner } }
  const what = on ? { schedule, command, ...part } : { absent: true }
  cron(r, { name: `converge-${app.name}-${name}`, ...userOf(app), ...what, ...options })
}

function crontab(
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

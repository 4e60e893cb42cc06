/** Jobs of cron that come with the ZEO server. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { Check, CommonOptions } from '../../core/model/resource.ts'
import { shellWord } from '../../core/text/shell.ts'
import { cron } from '../../resources/cron.ts'
import type { PloneNode } from '../node.ts'
import type { Layout } from './layout.ts'

interface Job {
  readonly name: string
  readonly on: boolean
  readonly schedule: string
  readonly program: string
}

/** Packing and backup of the ZEO server, as the account that owns the database. */
export function jobs(r: Recipe<PloneNode>, node: PloneNode, at: Layout, guard: CommonOptions): void {
  if (at.role !== 'zeo-server') return
  const { enable_pack, enable_backup } = node.plone_zeoserver
  job(r, at, { name: 'pack', on: enable_pack, schedule: '0 1 * * 7', program: 'zeopack' }, guard)
  job(r, at, { name: 'backup', on: enable_backup, schedule: '0 21 * * *', program: 'backup' }, guard)
}

/** Takes them away again. */
export function noJobs(r: Recipe<PloneNode>, at: Layout): void {
  if (at.role !== 'zeo-server') return
  for (const name of ['pack', 'backup']) job(r, at, { name, on: false, schedule: '', program: '' }, {})
}

function job(r: Recipe<PloneNode>, at: Layout, { name, on, schedule, program }: Job, guard: CommonOptions): void {
  const [run, log] = [`${at.current}/bin/${program}`, `${at.shared}/var/log/${name}.log`].map(shellWord)
  const command = `${run} >> ${log} 2>&1`
  // An ordinary user may be on a host without cron: that is no reason to fail a deploy.
  const options = at.system ? guard : { ...guard, onlyIf: both(guard.onlyIf, hasCrontab) }
  const account = at.account.user === undefined ? {} : { user: at.account.user }
  const what = on ? { schedule, command } : { absent: true }
  cron(r, { name: `converge-${at.app}-${name}`, ...account, ...what, ...options })
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

/** Keeps the time zone of the host, which the times in crontabs and logs follow. */
import type { Recipe } from '../../core/compile/role.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { timezone } from '../../resources/system/timezone.ts'
import type { SiteNode } from '../node.ts'
import { systemSetting } from './system_setting.ts'

/** Declares the time zone for the setup of a role; several roles of a host declare it once. */
export function systemTimezone(r: Recipe<SiteNode>, node: SiteNode): void {
  const zone = node.system.timezone
  if (zone === null) return
  systemSetting(r, node, {
    attribute: ['system', 'timezone'],
    leftOut: 'the time zone stays as it is: a change needs root and the whole system',
    declare: () =>
      r.unlessDeclared('timezone', '/etc/localtime', () => {
        packages(r, { names: ['tzdata', 'cron'] })
        const changed = timezone(r, { zone })
        // cron reads the time zone when it starts.
        service_restart(r, { services: [{ name: 'cron' }], when: [changed], adopt: true, start: false })
      }),
  })
}

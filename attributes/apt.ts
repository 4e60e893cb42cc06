/** Defines the attributes of unattended upgrades. */
import { field, group, list, orNull } from './fields.ts'
import { line } from './texts.ts'
import { flag } from './values.ts'

export const apt = () =>
  group(
    'The package manager.',
    {
      unattended_upgrades: group(
        'Upgrades that the host installs unattended, with the role base.',
        {
          enable: field(flag(), true, 'Installs upgrades unattended.', {
            unused: 'set converge.automatic_updates, and give the host the role base',
          }),
          mail: field(orNull(line()), null, 'Address that reports of upgrades are sent to; null for none.'),
          package_blacklist: field(list(line()), ['newrelic-sysmond'], 'Packages that are not upgraded.'),
        },
        { open: true, needs: 'converge.automatic_updates', unusedRest: 'set it in /etc/apt/apt.conf.d' },
      ),
    },
    { cookbook: 'apt', open: true, unusedRest: 'set it in /etc/apt' },
  )

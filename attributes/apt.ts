/** Unattended upgrades. */
import { field, flag, group, line, list, orNull } from './fields.ts'

export const apt = () =>
  group(
    'The package manager.',
    {
      unattended_upgrades: group(
        'Upgrades that are installed by themselves.',
        {
          enable: field(flag(), true, 'Installs upgrades unattended.'),
          mail: field(orNull(line()), null, 'Address that is told of them; null for none.'),
          package_blacklist: field(list(line()), ['newrelic-sysmond'], 'Packages left as they are.'),
        },
        { open: true },
      ),
    },
    { cookbook: 'apt', open: true },
  )

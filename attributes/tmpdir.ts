/** Defines where clients keep temporary files. */
import { field, group } from './fields.ts'
import { line } from './texts.ts'
import { flag } from './values.ts'

export const tmpdir = () =>
  group(
    'Where programs keep temporary files.',
    {
      global_tmp: field(flag(), false, 'Clients use /tmp of the host instead of a directory of their own.'),
      tmpfs: field(flag(), false, 'Keeps temporary files in memory (tmpfs).', {
        unused: 'mount a tmpfs at /tmp with /etc/fstab or systemd (systemctl enable tmp.mount)',
      }),
      tmpfs_size: field(line(), '1G', 'Maximum size of the tmpfs, as in mount(8): 512M, 1G.', {
        unused: 'give the size as an option of the mount in /etc/fstab',
      }),
    },
    { cookbook: 'plone_buildout' },
  )

/** Defines where clients keep temporary files. */
import { field, group } from './fields.ts'
import { tmpfsSize } from './texts.ts'
import { flag } from './values.ts'

export const tmpdir = () =>
  group(
    'Where programs keep temporary files.',
    {
      global_tmp: field(flag(), false, 'Clients use /tmp of the host instead of a directory of their own.'),
      tmpfs: field(
        flag(),
        false,
        'Keeps temporary files in memory: mounts a tmpfs at /tmp of hosts with clients, and of stacks.',
      ),
      tmpfs_size: field(tmpfsSize(), '1G', 'Maximum size of the tmpfs, as in mount(8): 512M, 1G.', {
        needs: 'tmpdir.tmpfs',
      }),
    },
    { cookbook: 'plone_buildout' },
  )

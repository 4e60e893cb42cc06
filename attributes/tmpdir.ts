/** Where temporary files of the clients go. */
import { field, flag, group, line } from './fields.ts'

export const tmpdir = () =>
  group(
    'Directories for temporary files.',
    {
      global_tmp: field(flag(), false, 'Uses one directory for the whole host instead of one for each application.'),
      tmpfs: field(flag(), false, 'Keeps temporary files in memory (tmpfs).'),
      tmpfs_size: field(line(), '1G', 'Most memory the tmpfs may take, as in mount(8): 512M, 1G.'),
    },
    { cookbook: 'plone_buildout' },
  )

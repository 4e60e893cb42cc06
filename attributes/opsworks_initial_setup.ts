/** How the platform set a host up. */
import { field, group, orNull, path } from './fields.ts'

export const opsworks_initial_setup = () =>
  group(
    'Settings of the platform for a new host.',
    {
      ephemeral_mount_point: field(
        orNull(path()),
        null,
        'Directory that the data of the platform lies below, such as /mnt: the defaults of `filestorage_dir`, `data_dir` and the like begin with it.',
      ),
    },
    { cookbook: 'opsworks_initial_setup', open: true },
  )

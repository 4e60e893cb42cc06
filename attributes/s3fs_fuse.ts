/** S3 buckets as directories. */
import { field, group, line } from './fields.ts'

export const s3fs_fuse = () =>
  group(
    's3fs, which mounts S3 buckets.',
    { version: field(line(), '1.74', 'Version of s3fs that is built.') },
    {
      cookbook: 's3fs_fuse',
      open: true,
      unused: 'install s3fs with converge.packages and the role base, and add the mount to /etc/fstab',
    },
  )

/** S3 buckets as directories. */
import { field, group, unimplemented } from './fields.ts'
import { line } from './texts.ts'

export const s3fs_fuse = () =>
  group(
    's3fs, which mounts S3 buckets.',
    {
      version: field(line(), '1.74', 'Version of s3fs that is built.'),
      s3_key: unimplemented('', 'Access key of the account.', { sensitive: true }),
      s3_secret: unimplemented('', 'Secret of that key.', { sensitive: true }),
      s3_url: unimplemented('https://s3.amazonaws.com', 'Address of the storage.'),
      mounts: unimplemented([], 'Buckets, and where they are mounted.'),
      bluepill: unimplemented(false, 'Watches the mounts with bluepill.'),
      rc_mon: unimplemented(false, 'Watches the mounts with a script.'),
      maxmemory: unimplemented(100, 'Memory at which they are mounted again.', { unit: 'megabytes' }),
      no_upload: unimplemented(false, 'Never writes to the buckets.'),
      packages: unimplemented([], 'Packages that s3fs is built with.'),
    },
    {
      cookbook: 's3fs_fuse',
      open: true,
      unused: 'install s3fs with converge.packages and the role base, and add the mount to /etc/fstab',
    },
  )
